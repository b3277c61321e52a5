"""LiteLLM as a client, by its providers for OpenAI and Anthropic."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402 – reads the environment when it is imported
from report import API_KEY, BASE_URL, CHAT, EMBED, run  # noqa: E402

litellm.telemetry = False
to = {"api_base": BASE_URL, "api_key": API_KEY, "num_retries": 0}
messages = [{"role": "user", "content": "Tell me about rivers."}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def completion():
    answer = litellm.completion(model=f"openai/{CHAT}", messages=messages, max_tokens=20, **to)
    assert answer.choices[0].message.content and answer.usage.completion_tokens == 20


def completion_stream():
    pieces = list(litellm.completion(model=f"openai/{CHAT}", messages=messages, max_tokens=20, stream=True, **to))
    assert len(pieces) > 10


async def acompletion():
    assert (await litellm.acompletion(model=f"openai/{CHAT}", messages=messages, max_tokens=20, **to)).choices


def tools():
    answer = litellm.completion(model=f"openai/{CHAT}", messages=messages, tools=TOOLS, **to)
    assert answer.choices[0].message.tool_calls[0].function.name == "weather"


def text_completion():
    assert litellm.text_completion(model=f"text-completion-openai/{CHAT}", prompt="Rivers", max_tokens=5, **to).choices


def embedding():
    assert len(litellm.embedding(model=f"openai/{EMBED}", input=["one", "two"], **to).data) == 2


def responses():
    assert litellm.responses(model=f"openai/{CHAT}", input="Tell me about rivers.", max_output_tokens=20, **to).output


def anthropic_messages():
    there = {"api_base": BASE_URL.removesuffix("/v1"), "api_key": API_KEY}
    answer = litellm.completion(model=f"anthropic/{CHAT}", messages=messages, max_tokens=20, **there)
    assert answer.choices[0].message.content


def error_of_unknown_model():
    try:
        litellm.completion(model="openai/no-such-model", messages=messages, **to)
    except litellm.NotFoundError:
        return
    raise AssertionError("no NotFoundError")


run(
    completion,
    completion_stream,
    acompletion,
    tools,
    text_completion,
    embedding,
    responses,
    anthropic_messages,
    error_of_unknown_model,
)
