"""Pydantic AI, over chat completions and responses."""

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from report import API_KEY, BASE_URL, CHAT, run, weather

settings = {"max_tokens": 20}


class City(BaseModel):
    name: str
    inhabitants: int


def agent(model_class, **more) -> Agent:
    model = model_class(CHAT, provider=OpenAIProvider(base_url=BASE_URL, api_key=API_KEY))
    return Agent(model, model_settings=settings, instructions="Be brief.", **more)


async def text(model_class):
    assert (await agent(model_class).run("Tell me about rivers.")).output


async def stream(model_class):
    async with agent(model_class).run_stream("Tell me about rivers.") as result:
        assert len([piece async for piece in result.stream_text(delta=True, debounce_by=None)]) > 5


async def tools(model_class):
    result = await agent(model_class, tools=[weather]).run("What is the weather?")
    assert len(result.all_messages()) == 4


async def structured(model_class):
    result = await agent(model_class, output_type=City).run("Name a city.")
    assert isinstance(result.output, City)


async def chat_text():
    await text(OpenAIChatModel)


async def chat_stream():
    await stream(OpenAIChatModel)


async def chat_tools():
    await tools(OpenAIChatModel)


async def chat_structured():
    await structured(OpenAIChatModel)


async def responses_text():
    await text(OpenAIResponsesModel)


async def responses_stream():
    await stream(OpenAIResponsesModel)


async def responses_tools():
    await tools(OpenAIResponsesModel)


async def responses_structured():
    await structured(OpenAIResponsesModel)


run(
    chat_text,
    chat_stream,
    chat_tools,
    chat_structured,
    responses_text,
    responses_stream,
    responses_tools,
    responses_structured,
)
