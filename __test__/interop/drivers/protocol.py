"""The drivers' common line: one JSON object in, one out. Keys and values travel as base64.

in   {nodes: [{name, host, port, weight}], config, action, items: [{key, kind, value}]}
     action: "version", "write" or "read"; kind: "text" or "bytes"
out  {version, values: [base64 or null for each item] (read), refused: [{index, error}]}
"""

import base64
import json
import sys
import warnings

warnings.simplefilter("ignore")


def serve(version, connect):
    """`connect(nodes, config)` gives a client with set(key, value) and get(key)."""
    request = json.load(sys.stdin)
    answer = {"version": version, "values": [], "refused": []}
    if request["action"] != "version":
        client = connect(request["nodes"], request["config"])
        for index, item in enumerate(request["items"]):
            key = base64.b64decode(item["key"])
            if item["kind"] == "text":
                key = key.decode("utf-8")
            value = None
            try:
                if request["action"] == "write":
                    client.set(key, base64.b64decode(item["value"]))
                else:
                    value = client.get(key)
            except Exception as error:  # what the client refuses is an answer, not a crash
                answer["refused"].append({"index": index, "error": repr(error)})
            answer["values"].append(None if value is None else base64.b64encode(value).decode())
    json.dump(answer, sys.stdout)
