"""Anthropic's client on /v1/messages."""

import anthropic
from report import API_KEY, BASE_URL, CHAT, run

client = anthropic.Anthropic(base_url=BASE_URL.removesuffix("/v1"), api_key=API_KEY, max_retries=0)
question = {"model": CHAT, "max_tokens": 20, "messages": [{"role": "user", "content": "Tell me about rivers."}]}
TOOLS = [
    {
        "name": "weather",
        "description": "What the weather is like.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


def create():
    message = client.messages.create(**question)
    assert message.content[0].text and message.stop_reason == "max_tokens" and message.usage.output_tokens == 20


def create_with_system_blocks():
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    assert client.messages.create(system=system, **question).content[0].text


def stream_helper():
    with client.messages.stream(**question) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == message.content[0].text and message.usage.output_tokens == 20


def tool_loop():
    asked = dict(question, messages=[{"role": "user", "content": "What is the weather?"}])
    first = client.messages.create(tools=TOOLS, **asked)
    assert first.stop_reason == "tool_use", first
    call = next(block for block in first.content if block.type == "tool_use")
    asked["messages"] += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]},
    ]
    assert client.messages.create(tools=TOOLS, **asked).content[0].text


def tool_stream():
    asked = dict(question, messages=[{"role": "user", "content": "What is the weather?"}])
    with client.messages.stream(tools=TOOLS, **asked) as stream:
        message = stream.get_final_message()
    assert next(block for block in message.content if block.type == "tool_use").input == {"city": "river"}


def count_tokens():
    assert client.messages.count_tokens(model=CHAT, messages=question["messages"]).input_tokens > 0


def errors_have_their_classes():
    try:
        client.messages.create(**dict(question, model="no-such-model"))
    except anthropic.NotFoundError as error:
        assert error.body["error"]["type"] == "not_found_error", error.body
    else:
        raise AssertionError("no NotFoundError")


run(create, create_with_system_blocks, stream_helper, tool_loop, tool_stream, count_tokens, errors_have_their_classes)
