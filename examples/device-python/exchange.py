"""One request and its response: docs/protocol.md, sections "Errors" and "Retries"."""

import requests


class Refusal(Exception):
    """A problem document of the server: `error` is the name to branch on."""

    def __init__(self, problem, status):
        super().__init__("%s: %s" % (problem.get("error", status), problem.get("detail") or problem.get("title")))
        self.error = problem.get("error")
        self.status = status
        self.server_time = problem.get("serverTime")


class NoResponse(Exception):
    """Whether the server acted is not known."""


def answer_of(ask):
    """The JSON of a response."""
    try:
        response = ask()
        body = response.json()
    except requests.RequestException as error:
        raise NoResponse(str(error)) from error
    if response.status_code in (429, 502, 503, 504):
        raise NoResponse(body.get("error"))
    if response.status_code >= 400:
        raise Refusal(body, response.status_code)
    return body
