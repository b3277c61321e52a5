"""LlamaIndex's OpenAILike."""

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from report import API_KEY, BASE_URL, CHAT, run, weather

llm = OpenAILike(
    model=CHAT,
    api_base=BASE_URL,
    api_key=API_KEY,
    is_chat_model=True,
    is_function_calling_model=True,
    max_tokens=20,
    max_retries=0,
)
messages = [ChatMessage(role="user", content="Tell me about rivers.")]


def chat():
    assert llm.chat(messages).message.content


def stream_chat():
    pieces = list(llm.stream_chat(messages))
    assert len(pieces) > 10 and pieces[-1].message.content == llm.chat(messages).message.content


def complete():
    assert llm.complete("Tell me about rivers.").text


def legacy_complete():
    legacy = OpenAILike(model=CHAT, api_base=BASE_URL, api_key=API_KEY, is_chat_model=False, max_tokens=20)
    assert legacy.complete("Rivers are").text


async def achat():
    assert (await llm.achat(messages)).message.content


def tools():
    tool = FunctionTool.from_defaults(weather)
    answer = llm.predict_and_call([tool], "What is the weather?")
    assert "rain" in str(answer), answer


run(chat, stream_chat, complete, legacy_complete, achat, tools)
