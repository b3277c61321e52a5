"""Instructor: answers as pydantic models."""

import instructor
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from report import API_KEY, BASE_URL, CHAT, run


class City(BaseModel):
    name: str
    inhabitants: int


messages = [{"role": "user", "content": "Name a city."}]
options = {"model": CHAT, "messages": messages, "response_model": City, "max_retries": 1}


def tools_mode():
    client = instructor.from_openai(OpenAI(base_url=BASE_URL, api_key=API_KEY), mode=instructor.Mode.TOOLS)
    assert isinstance(client.chat.completions.create(**options), City)


async def tools_mode_async():
    client = instructor.from_openai(AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY), mode=instructor.Mode.TOOLS)
    assert isinstance(await client.chat.completions.create(**options), City)


def partial_stream():
    client = instructor.from_openai(OpenAI(base_url=BASE_URL, api_key=API_KEY), mode=instructor.Mode.TOOLS)
    *_, last = client.chat.completions.create_partial(**options)
    assert last.name


run(tools_mode, tools_mode_async, partial_stream)
