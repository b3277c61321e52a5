"""LangChain's ChatOpenAI and OpenAIEmbeddings."""

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel
from report import API_KEY, BASE_URL, CHAT, EMBED, run, weather

chat = ChatOpenAI(model=CHAT, base_url=BASE_URL, api_key=API_KEY, max_tokens=20, max_retries=0)
responses = ChatOpenAI(
    model=CHAT, base_url=BASE_URL, api_key=API_KEY, max_tokens=20, max_retries=0, use_responses_api=True
)
weather_tool = tool(weather)


class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int


def invoke():
    answer = chat.invoke("Tell me about rivers.")
    assert answer.text and answer.usage_metadata["output_tokens"] == 20


def stream():
    pieces = list(chat.stream("Tell me about rivers.", stream_usage=True))
    assert len(pieces) > 10
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole.text == chat.invoke("Tell me about rivers.").text
    assert whole.usage_metadata["output_tokens"] == 20


def batch_of_prompts():
    answers = chat.batch([f"River {n}" for n in range(8)])
    assert all(answer.text for answer in answers)


async def ainvoke():
    assert (await chat.ainvoke("Tell me about rivers.")).text


def tool_calls():
    answer = chat.bind_tools([weather_tool]).invoke("What is the weather?")
    assert answer.tool_calls[0]["name"] == "weather", answer


def structured_output():
    city = chat.with_structured_output(City, method="function_calling").invoke("Name a city.")
    assert isinstance(city, City)


def agent_loop():
    result = create_agent(chat, [weather_tool]).invoke({"messages": [("user", "What is the weather?")]})
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]


def responses_invoke_and_stream():
    assert responses.invoke("Tell me about rivers.").text
    assert "".join(piece.text for piece in responses.stream("Tell me about rivers."))


def responses_agent_loop():
    result = create_agent(responses, [weather_tool]).invoke({"messages": [("user", "What is the weather?")]})
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]


def embeddings_of_texts():
    embed = OpenAIEmbeddings(model=EMBED, base_url=BASE_URL, api_key=API_KEY, check_embedding_ctx_length=False)
    assert len(embed.embed_documents(["one", "two"])) == 2


def embeddings_of_token_ids():
    # What the default mode sends after its tokenizer, which would have to be downloaded.
    embed = OpenAIEmbeddings(model=EMBED, base_url=BASE_URL, api_key=API_KEY)
    answer = embed.client.create(input=[[1, 2, 3], [4, 5]], model=EMBED)
    assert len(answer.data) == 2


run(
    invoke,
    stream,
    batch_of_prompts,
    ainvoke,
    tool_calls,
    structured_output,
    agent_loop,
    responses_invoke_and_stream,
    responses_agent_loop,
    embeddings_of_texts,
    embeddings_of_token_ids,
)
