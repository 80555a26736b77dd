"""gmr/mredis from the checkout that SHARDIS_INTEROP_MREDIS names.

PyPI's project `mredis` is another program (GeorgeWang1994/MRedis, one server, no placement), so
the class must have `get_node_offset` before we believe it.

One thing is put right from outside: MRedis gives all its clients one connection pool, which since
redis-py 2.4 means one server. Each client gets a pool of its own. Placement, `set` and `get` stay
MRedis' own. Its keys are Python 2 strings, which are bytes; so are ours here.
"""

import os
import sys

import protocol

checkout = os.environ.get("SHARDIS_INTEROP_MREDIS")
if not checkout:
    sys.exit(
        "gmr/mredis is in no package registry (PyPI's `mredis` is another program): "
        "clone https://github.com/gmr/mredis and set SHARDIS_INTEROP_MREDIS to the folder"
    )
sys.path.insert(0, checkout)

import redis  # noqa: E402
from mredis.client import MRedis  # noqa: E402

if not hasattr(MRedis, "get_node_offset"):
    sys.exit("the mredis in " + checkout + " is not gmr/mredis: no get_node_offset")


class Bytes:
    def __init__(self, client):
        self.client = client

    def set(self, key, value):
        return self.client.set(self._bytes(key), value)

    def get(self, key):
        return self.client.get(self._bytes(key))

    def _bytes(self, key):
        return key.encode("utf-8") if isinstance(key, str) else key


def connect(nodes, config):
    client = MRedis([{"host": n["host"], "port": n["port"], "db": 0} for n in nodes])
    client.servers = [redis.Redis(host=n["host"], port=n["port"], db=0) for n in nodes]
    return Bytes(client)


protocol.serve("gmr/mredis in " + checkout, connect)
