"""OpenAI's Agents SDK, over both of its model interfaces."""

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from report import API_KEY, BASE_URL, CHAT, run, weather

set_tracing_disabled(True)
# No limit on tokens: an answer that is cut short is an error to this SDK.
settings = ModelSettings(temperature=0)


def agent(model_class, **more) -> Agent:
    client = AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
    model = model_class(model=CHAT, openai_client=client)
    return Agent(name="Guide", instructions="Be brief.", model=model, model_settings=settings, **more)


async def loop(model_class):
    result = await Runner.run(agent(model_class, tools=[function_tool(weather)]), "What is the weather?")
    kinds = [item.type for item in result.new_items]
    assert kinds == ["tool_call_item", "tool_call_output_item", "message_output_item"], kinds
    assert result.final_output


async def streamed(model_class):
    result = Runner.run_streamed(agent(model_class, tools=[function_tool(weather)]), "What is the weather?")
    deltas = 0
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            deltas += 1
    assert deltas > 5 and result.final_output


async def handoff(model_class):
    other = agent(model_class)
    first = agent(model_class, handoffs=[other])
    result = await Runner.run(first, "Hand me over.")
    assert result.final_output


async def responses_loop():
    await loop(OpenAIResponsesModel)


async def responses_streamed():
    await streamed(OpenAIResponsesModel)


async def responses_handoff():
    await handoff(OpenAIResponsesModel)


async def responses_previous_response_id():
    guide = agent(OpenAIResponsesModel)
    first = await Runner.run(guide, "Tell me about rivers.")
    second = await Runner.run(guide, "And lakes?", previous_response_id=first.last_response_id)
    assert second.final_output


async def conversation_session():
    client = AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
    session = OpenAIConversationsSession(openai_client=client)
    guide = agent(OpenAIResponsesModel)
    await Runner.run(guide, "Tell me about rivers.", session=session)
    await Runner.run(guide, "And lakes?", session=session)
    assert len(await session.get_items()) == 4


async def conversation_id():
    client = AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
    conversation = await client.conversations.create()
    guide = agent(OpenAIResponsesModel)
    await Runner.run(guide, "Tell me about rivers.", conversation_id=conversation.id)
    result = await Runner.run(guide, "And lakes?", conversation_id=conversation.id)
    assert result.final_output


async def chat_loop():
    await loop(OpenAIChatCompletionsModel)


async def chat_streamed():
    await streamed(OpenAIChatCompletionsModel)


run(
    responses_loop,
    responses_streamed,
    responses_handoff,
    responses_previous_response_id,
    conversation_session,
    conversation_id,
    chat_loop,
    chat_streamed,
)
