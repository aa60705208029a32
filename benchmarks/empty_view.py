"""The empty Flask view that the service is measured against."""

from flask import Flask

app = Flask(__name__)


@app.post("/api/v1/assignments")
def empty() -> str:
    return ""
