"""AWS calls made once, with their answers cached."""

from __future__ import annotations

import json
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Once:
    """A client that makes each call once and repeats its answer or error from then on.

    For reading only. Thread-safe: a caller waits for a call that another thread is making.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = Lock()
        self._answers: dict[tuple[str, str], Future[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        """Return a method of the client, cached, or another attribute as it is."""
        found = getattr(self._client, name)
        if name not in self._client.meta.method_to_api_mapping:
            return found
        return lambda **question: self._ask(name, question, lambda: found(**question))

    def get_paginator(self, name: str) -> _Pages:
        """Return a paginator that fetches all pages, also once."""
        return _Pages(self, name)

    def pages(self, name: str, question: Mapping[str, Any]) -> list[Any]:
        """Return all pages of an answer."""

        def ask() -> list[Any]:
            return list(self._client.get_paginator(name).paginate(**question))

        return list(self._ask(_paged(name), question, ask))

    def remember(self, name: str, question: Mapping[str, Any], answer: Any) -> None:
        """Store the answer to a question that another call has answered."""
        self._ask(name, question, lambda: answer)

    def remember_pages(self, name: str, question: Mapping[str, Any], pages: list[Any]) -> None:
        """Store all pages of such an answer."""
        self._ask(_paged(name), question, lambda: pages)

    def _ask(self, name: str, question: Mapping[str, Any], ask: Callable[[], Any]) -> Any:
        key = (name, json.dumps(question, sort_keys=True, default=str))
        with self._lock:
            answer = self._answers.get(key)
            mine = answer is None
            if answer is None:
                answer = self._answers[key] = Future()
        if mine:
            try:
                answer.set_result(ask())
            except BaseException as error:  # waiting callers get it too
                answer.set_exception(error)
                raise
        return answer.result()


def _paged(name: str) -> str:
    return f"{name}, all pages"


class _Pages:
    def __init__(self, client: Once, name: str) -> None:
        self._client, self._name = client, name

    def paginate(self, **question: Any) -> list[Any]:
        return self._client.pages(self._name, question)
