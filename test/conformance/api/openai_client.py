"""Every call of the official Python client, in strict mode: each body and event must be exactly what the SDK's types say.

Usage: openai_client.py BASE_URL API_KEY. Prints one line of JSON for each call, then leaves with 0.
"""

import contextlib
import io
import json
import queue
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import openai
from openai import OpenAI
from openai.lib.streaming.responses import ResponseTextDeltaEvent

MODEL = "sim-chat"
MESSAGES = [{"role": "user", "content": "Tell me about rivers."}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]
TOOLS = [{"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False}]
LIMIT_S = 30

client = OpenAI(
    base_url=f"{sys.argv[1]}/v1", api_key=sys.argv[2], max_retries=0, _strict_response_validation=True
)
# For the calls whose answers the SDK's own types do not fit.
loose = OpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0)
checks = []


def check(function):
    checks.append(function)
    return function


def until(condition):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {LIMIT_S} s")


def ended(id):
    def look():
        response = client.responses.retrieve(id)
        return response if response.status not in ("queued", "in_progress") else None

    return until(look)


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def found_at(call):
    with contextlib.suppress(openai.NotFoundError):
        return call()


def streamed_background(text):
    events = list(
        client.responses.create(
            model=MODEL, input=text, background=True, stream=True, max_output_tokens=20
        )
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))
    return events[0].response.id, events


# Models


@check
def models_list():
    assert any(model.id == MODEL for model in client.models.list())


@check
def models_retrieve():
    assert client.models.retrieve(MODEL).id == MODEL
    raises(openai.NotFoundError, lambda: client.models.retrieve("nobody"))


# Chat


@check
def chat_create():
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=8)
    assert answer.usage.completion_tokens == 8
    assert answer.choices[0].message.content


@check
def chat_create_stream():
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=8, stream=True)
    )
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "length"


@check
def chat_create_stream_include_usage():
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=MESSAGES,
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[-1].usage.completion_tokens == 8 and not chunks[-1].choices


@check
def chat_create_n():
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=4, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


@check
def chat_create_tools():
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, tools=CHAT_TOOLS)
    (call,) = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments) == {"city": "river"}


@check
def chat_stored_retrieve_update_list_delete():
    completions = client.chat.completions
    made = completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=4, store=True, metadata={"case": "strict"}
    )
    kept = until(lambda: found_at(lambda: completions.retrieve(made.id)))
    assert kept.choices == made.choices
    assert completions.update(made.id, metadata={"case": "renamed"}).metadata == {"case": "renamed"}
    assert made.id in [each.id for each in completions.list(metadata={"case": "renamed"}, limit=1)]
    assert completions.delete(made.id).deleted
    raises(openai.NotFoundError, lambda: completions.retrieve(made.id))


def stored_messages(of):
    made = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=4, store=True
    )
    until(lambda: found_at(lambda: client.chat.completions.retrieve(made.id)))
    assert [each.content for each in of.chat.completions.messages.list(made.id)] == [
        "Tell me about rivers."
    ]


@check
def chat_stored_messages_list():
    stored_messages(client)


@check
def chat_stored_messages_list_not_strict():
    stored_messages(loose)


@check
def chat_create_service_tier():
    for tier in ("auto", "flex", "priority"):
        answer = client.chat.completions.create(
            model=MODEL, messages=MESSAGES, max_tokens=4, service_tier=tier
        )
        assert answer.service_tier in ("default", "flex", "priority"), answer.service_tier


@check
def chat_stream_helper():
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        assert stream.get_final_completion().choices[0].finish_reason == "stop"


@check
def chat_stream_helper_tools():
    with client.chat.completions.stream(
        model=MODEL, messages=MESSAGES, tools=CHAT_TOOLS, tool_choice="required"
    ) as stream:
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "river"}


@check
def chat_stream_abort():
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=5000, stream=True
    )
    next(iter(stream))
    stream.close()


# Completions, embeddings


@check
def completions_create():
    answer = client.completions.create(model=MODEL, prompt="Once upon", max_tokens=5)
    assert answer.choices[0].finish_reason == "length"


@check
def completions_create_stream():
    text = client.completions.create(model=MODEL, prompt="Once upon", max_tokens=5, stream=True)
    assert "".join(chunk.choices[0].text for chunk in text)


@check
def completions_create_stream_not_strict():
    text = loose.completions.create(model=MODEL, prompt="Once upon", max_tokens=5, stream=True)
    whole = client.completions.create(model=MODEL, prompt="Once upon", max_tokens=5)
    assert "".join(chunk.choices[0].text for chunk in text) == whole.choices[0].text


@check
def embeddings_create_float():
    answer = client.embeddings.create(model="sim-embed", input=["a", "b"], encoding_format="float")
    assert len(answer.data) == 2 and isinstance(answer.data[0].embedding[0], float)


@check
def embeddings_create_default():
    assert len(client.embeddings.create(model="sim-embed", input="a").data) == 1


@check
def embeddings_create_default_not_strict():
    floats = client.embeddings.create(model="sim-embed", input="a", encoding_format="float")
    decoded = loose.embeddings.create(model="sim-embed", input="a")
    pairs = zip(floats.data[0].embedding, decoded.data[0].embedding, strict=True)
    assert all(abs(one - other) < 1e-6 for one, other in pairs)


# Responses


@check
def responses_create():
    answer = client.responses.create(
        model=MODEL, input="Plain", max_output_tokens=16, metadata={"order": "4711"}
    )
    assert answer.status == "incomplete" and answer.usage.output_tokens == 16 and answer.output_text


@check
def responses_create_tools():
    answer = client.responses.create(model=MODEL, input="Weather?", tools=TOOLS)
    assert answer.output[0].type == "function_call"
    until(lambda: found_at(lambda: client.responses.retrieve(answer.id)))
    told = client.responses.create(
        model=MODEL,
        previous_response_id=answer.id,
        tools=TOOLS,
        input=[
            {
                "type": "function_call_output",
                "call_id": answer.output[0].call_id,
                "output": "sunny",
            }
        ],
    )
    assert told.output[0].type == "message"


@check
def responses_create_stream():
    events = list(
        client.responses.create(model=MODEL, input="Flow", max_output_tokens=16, stream=True)
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.incomplete"


@check
def responses_stream_helper():
    with client.responses.stream(model=MODEL, input="Gather", max_output_tokens=16) as stream:
        deltas = [event for event in stream if isinstance(event, ResponseTextDeltaEvent)]
    assert deltas[-1].snapshot


@check
def responses_stream_helper_tools():
    with client.responses.stream(model=MODEL, input="Weather?", tools=TOOLS) as stream:
        assert stream.get_final_response().output[0].type == "function_call"


@check
def responses_create_background_and_retrieve():
    asked = client.responses.create(
        model=MODEL, input="Later", background=True, max_output_tokens=16
    )
    assert asked.status in ("queued", "in_progress")
    assert ended(asked.id).status == "incomplete"


@check
def responses_create_background_stream():
    _, events = streamed_background("Both")
    assert events[-1].type == "response.incomplete"


@check
def responses_retrieve_stream_starting_after():
    id, events = streamed_background("Resume")
    again = list(client.responses.retrieve(id, stream=True, starting_after=2))
    assert again == events[3:]


@check
def responses_stream_helper_response_id():
    id, events = streamed_background("Follow")
    with client.responses.stream(response_id=id, starting_after=2) as stream:
        assert [event.sequence_number for event in stream] == list(range(3, len(events)))


@check
def responses_cancel():
    asked = client.responses.create(
        model=MODEL, input="Forever", background=True, max_output_tokens=5000
    )
    assert client.responses.cancel(asked.id).status == "cancelled"
    assert client.responses.cancel(asked.id).status == "cancelled"


@check
def responses_delete():
    asked = client.responses.create(model=MODEL, input="Gone", background=True)
    client.responses.delete(asked.id)
    raises(openai.NotFoundError, lambda: client.responses.retrieve(asked.id))


@check
def responses_input_items_list():
    items = [{"role": "user", "content": f"item {i}"} for i in range(5)]
    asked = client.responses.create(model=MODEL, input=items, background=True)
    assert len(list(client.responses.input_items.list(asked.id, limit=2))) == 5


# Files and batches


def upload(text, purpose="batch", **more):
    return client.files.create(file=("lines.jsonl", io.BytesIO(text.encode())), purpose=purpose, **more)


def batch_of(count, max_tokens=4):
    lines = [
        {
            "custom_id": f"q{i}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": MODEL, "messages": MESSAGES, "max_tokens": max_tokens},
        }
        for i in range(count)
    ]
    file = upload("\n".join(json.dumps(line) for line in lines))
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )


@check
def files_create_and_retrieve():
    file = upload("hello")
    assert client.files.retrieve(file.id) == file


@check
def files_create_expires_after():
    after = {"anchor": "created_at", "seconds": 3600}
    file = upload("hello", purpose="user_data", expires_after=after)
    assert file.expires_at == file.created_at + 3600


@check
def files_wait_for_processing():
    assert client.files.wait_for_processing(upload("hello").id).status == "processed"


@check
def files_content():
    assert client.files.content(upload("the bytes").id).read() == b"the bytes"


@check
def files_list():
    ids = [upload(f"page {i}", purpose="user_data").id for i in range(5)]
    listed = [file.id for file in client.files.list(purpose="user_data", limit=2)]
    assert [id for id in listed if id in ids] == ids[::-1]


@check
def files_delete():
    file = upload("gone")
    assert client.files.delete(file.id).deleted
    raises(openai.NotFoundError, lambda: client.files.retrieve(file.id))


@check
def batches_create_and_retrieve():
    batch = batch_of(3)
    done = until(
        lambda: (now := client.batches.retrieve(batch.id)).status == "completed" and now
    )
    assert done.request_counts.completed == 3
    lines = client.files.content(done.output_file_id).text.strip().split("\n")
    assert [json.loads(line)["response"]["status_code"] for line in lines] == [200] * 3


@check
def batches_cancel():
    batch = batch_of(200, max_tokens=2000)
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")


@check
def batches_list():
    ids = [batch_of(1).id for _ in range(3)]
    listed = [batch.id for batch in client.batches.list(limit=2)]
    assert listed[:3] == ids[::-1]


# Webhooks


@contextlib.contextmanager
def receiver():
    received = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            received.put((body, dict(self.headers)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()


def endpoint_at(url):
    return client.webhooks.create(name="test", url=url, event_types=["response.completed"])


@check
def webhooks_create_retrieve_update_list_delete():
    made = endpoint_at("http://127.0.0.1:9/hook")
    assert client.webhooks.retrieve(made.id).url == made.url
    assert client.webhooks.update(made.id, name="renamed").name == "renamed"
    assert made.id in [endpoint.id for endpoint in client.webhooks.list(limit=1)]
    client.webhooks.delete(made.id)
    raises(openai.NotFoundError, lambda: client.webhooks.retrieve(made.id))


@check
def webhooks_event_types_list():
    assert "batch.completed" in client.webhooks.event_types.list().data


@check
def webhooks_test_rotate_unwrap_verify():
    with receiver() as (url, received):
        made = endpoint_at(url)
        rotated = client.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
        assert client.webhooks.test(made.id, event_type="response.completed").success
        body, headers = received.get(timeout=LIMIT_S)
        for secret in (made.signing_secret, rotated.signing_secret):
            client.webhooks.verify_signature(body, headers, secret=secret)
        event = client.webhooks.unwrap(body, headers, secret=rotated.signing_secret)
        assert event.type == "response.completed"
        wrong = "whsec_" + "A" * 43 + "="
        refused = openai.InvalidWebhookSignatureError
        raises(refused, lambda: client.webhooks.verify_signature(body, headers, secret=wrong))
        old = {**headers, "webhook-timestamp": str(int(time.time()) - 301)}
        raises(
            refused,
            lambda: client.webhooks.verify_signature(body, old, secret=rotated.signing_secret),
        )
        client.webhooks.delete(made.id)


# Errors, retries, headers


@check
def errors():
    create = client.chat.completions.create
    error = raises(openai.BadRequestError, lambda: create(model=MODEL, messages=MESSAGES, n=0))
    assert (error.code, error.param, error.type) == ("invalid_request", "n", "invalid_request_error")
    assert error.request_id.startswith("req_")
    raises(openai.NotFoundError, lambda: create(model="nobody", messages=MESSAGES))
    stranger = client.with_options(api_key="sk-wrong-key")
    raises(openai.AuthenticationError, lambda: stranger.models.list())
    raises(openai.InternalServerError, lambda: create(model="sim-fail", messages=MESSAGES))


@check
def errors_in_a_stream():
    stream = client.chat.completions.create(
        model="sim-error-after-3", messages=MESSAGES, n=2, stream=True
    )
    raises(openai.APIError, lambda: list(stream))


@check
def retries():
    sent = []
    watched = client.with_options(max_retries=2)
    watched._client.event_hooks["request"] = [
        lambda request: sent.append(request.headers["x-stainless-retry-count"])
    ]
    create = watched.chat.completions.create
    raises(openai.InternalServerError, lambda: create(model="sim-fail", messages=MESSAGES))
    assert sent == ["0"], sent
    sent.clear()
    timeout = {"x-request-timeout-ms": "50"}
    raises(
        openai.InternalServerError,
        lambda: create(model="sim-hang", messages=MESSAGES, extra_headers=timeout),
    )
    watched._client.event_hooks["request"] = []
    assert sent == ["0", "1", "2"], sent


@check
def with_raw_response():
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=MESSAGES, max_tokens=4
    )
    assert raw.request_id.startswith("req_")
    assert raw.headers["openai-version"] == "2020-10-01"
    assert raw.parse().usage.completion_tokens == 4


for function in checks:
    result = {"name": function.__name__, "status": "passed", "detail": ""}
    try:
        function()
    except Exception as error:
        result |= {"status": "failed", "detail": f"{type(error).__name__}: {error}"[:500]}
    print(json.dumps(result), flush=True)
