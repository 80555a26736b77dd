//! The table of schemes. Each is a frozen data format: golden vectors of the
//! real systems hold every row in place.

use super::{
    Encoding::{Latin1, Utf8},
    Layout, Names, Order, Parameter, Part, Recipe, Rule, Scheme, Values, Weights,
};
use crate::{
    hash::{Char, Hash},
    place::{Collision, Label, Lookup, PointHash, RingRecipe, points},
    tag::TagRule,
};

/// What most schemes share; each row says what it has of its own.
const PLAIN: Recipe = Recipe {
    text: Utf8,
    text_tag: TagRule::None,
    bytes_tag: TagRule::None,
    hash: Hash::Crc32,
    empty_hash: None,
    layout: Layout::Modulo,
    weights: Weights::Unknown,
    names: Names::Any,
    order: Order::Listed,
};

const BRACES: TagRule = TagRule::Pair(b'{', b'}');

/// How many slots a Redis Cluster has.
const CLUSTER_SLOTS: u16 = 16384;

const fn tagged(rule: TagRule, recipe: Recipe) -> Recipe {
    Recipe {
        text_tag: rule,
        bytes_tag: rule,
        ..recipe
    }
}

const fn label(text: &'static str) -> Label {
    Label {
        named: text,
        unnamed: text,
    }
}

const fn parameter(
    name: &'static str,
    default: &'static str,
    values: &'static [&'static str],
) -> Parameter {
    Parameter {
        name,
        default,
        values: Values::OneOf(values),
    }
}

/// The newest version listed is the default.
const fn version(versions: &'static [&'static str]) -> Parameter {
    Parameter {
        name: "version",
        default: versions[versions.len() - 1],
        values: Values::Since(versions),
    }
}

const fn tag_pair() -> Parameter {
    Parameter {
        name: "hashTag",
        default: "none",
        values: Values::TagPair,
    }
}

const fn rule(when: &'static [(&'static str, &'static str)], then: Part) -> Rule {
    Rule { when, then }
}

/// Every scheme there is.
pub const SCHEMES: &[Scheme] = &[
    // The default. CRC16 slots and hash tags are those of Redis Cluster, so the
    // road to a real one stays open.
    Scheme {
        name: "slots",
        parameters: &[],
        recipe: tagged(
            BRACES,
            Recipe {
                hash: Hash::Crc16,
                layout: Layout::Slots(CLUSTER_SLOTS),
                weights: Weights::Positive(1.0),
                ..PLAIN
            },
        ),
        rules: &[],
    },
    Scheme {
        name: "redis-cluster",
        parameters: &[],
        recipe: tagged(
            BRACES,
            Recipe {
                hash: Hash::Crc16,
                layout: Layout::SlotTable(CLUSTER_SLOTS),
                ..PLAIN
            },
        ),
        rules: &[],
    },
    // Codis pkg/proxy/mapper.go: Hash, getHashKey.
    Scheme {
        name: "codis",
        parameters: &[],
        recipe: tagged(
            TagRule::PairOrEmpty,
            Recipe {
                layout: Layout::SlotTable(1024),
                ..PLAIN
            },
        ),
        rules: &[],
    },
    Scheme {
        name: "modulo",
        parameters: &[
            Parameter {
                name: "hash",
                default: "crc32",
                // Those whose whole value is at hand, which a remainder needs.
                values: Values::Hash(&[
                    Hash::Crc32,
                    Hash::Crc32High,
                    Hash::Crc16,
                    Hash::Md5,
                    Hash::Md5Le,
                    Hash::Md5Be,
                    Hash::Fnv1_32(Char::Unsigned),
                    Hash::Fnv1a32(Char::Unsigned),
                    Hash::Jenkins,
                    Hash::Murmur2,
                    Hash::Murmur64,
                    Hash::Xxh64,
                ]),
            },
            tag_pair(),
        ],
        recipe: PLAIN,
        rules: &[],
    },
    // gmr/mredis mredis/client.py: get_node_offset.
    Scheme {
        name: "mredis",
        parameters: &[],
        recipe: Recipe {
            hash: Hash::Crc32High,
            ..PLAIN
        },
        rules: &[],
    },
    // salimane/rediscluster-py rediscluster/cluster_client.py: __getattr__,
    // _getnodenamefor; salimane/rediscluster-php RedisCluster.php: __call. On
    // Python 3 the search for a brace in a bytes key raises, so it has no tag.
    Scheme {
        name: "rediscluster",
        parameters: &[parameter(
            "client",
            "python3",
            &["python3", "python2", "php", "php32"],
        )],
        recipe: Recipe {
            text: Latin1,
            text_tag: TagRule::CutFirstOfText,
            names: Names::Numbered("node_"),
            order: Order::Numbered("node_"),
            ..PLAIN
        },
        rules: &[
            rule(&[("client", "python2")], Part::Text(Utf8)),
            rule(
                &[("client", "python2")],
                Part::Tag(TagRule::CutFirst, TagRule::CutFirst),
            ),
            rule(&[("client", "php")], Part::Text(Utf8)),
            rule(
                &[("client", "php")],
                Part::Tag(TagRule::CutLast, TagRule::CutLast),
            ),
            rule(&[("client", "php32")], Part::Text(Utf8)),
            rule(
                &[("client", "php32")],
                Part::Tag(TagRule::CutLast, TagRule::CutLast),
            ),
            rule(&[("client", "php32")], Part::Hash(Hash::Crc32Absolute)),
        ],
    },
    // zhihu/redis-shard redis_shard/hashring.py, redis_shard/shard.py:
    // get_server_name. On Python 3 the pattern for text does not fit a bytes
    // key, so it has no tag.
    Scheme {
        name: "redis-shard",
        parameters: &[
            parameter("hash", "crc32", &["crc32", "md5", "sha1"]),
            version(&["0.1", "0.1.4", "0.3.5", "0.3.7"]),
            parameter("python", "3", &["3", "2"]),
        ],
        recipe: Recipe {
            text: Latin1,
            text_tag: TagRule::Greedy,
            layout: Layout::Ring(RingRecipe {
                label: label("{name}:{i}"),
                points: points::always_128,
                point: PointHash::AsKeys,
                lookup: Lookup::AboveOrLast,
                collision: Collision::Last,
            }),
            names: Names::Given("redis-shard hashes the names of its servers, not their addresses"),
            ..PLAIN
        },
        rules: &[
            rule(&[("python", "2")], Part::Text(Utf8)),
            rule(
                &[("python", "2")],
                Part::Tag(TagRule::Greedy, TagRule::Greedy),
            ),
            // zlib.crc32 is signed on Python 2, and these did not mask it.
            rule(
                &[("version", "0.1")],
                Part::Tag(TagRule::GreedyAfterOne, TagRule::GreedyAfterOne),
            ),
            rule(&[("version", "0.1")], Part::Hash(Hash::Crc32Signed)),
            rule(&[("version", "0.1.4")], Part::Hash(Hash::Crc32Signed)),
            rule(
                &[("version", "0.1"), ("python", "3")],
                Part::Refuse(PYTHON_2_ONLY),
            ),
            rule(
                &[("version", "0.1.4"), ("python", "3")],
                Part::Refuse(PYTHON_2_ONLY),
            ),
            // A pattern of the other string type than the key never matched:
            // on Python 2 that left tags to unicode keys, on Python 3 to none.
            rule(
                &[("version", "0.3.5"), ("python", "2")],
                Part::Tag(TagRule::Greedy, TagRule::None),
            ),
            rule(
                &[("version", "0.3.5"), ("python", "3")],
                Part::Tag(TagRule::None, TagRule::None),
            ),
            rule(&[("hash", "md5")], Part::Hash(Hash::Md5)),
            rule(&[("hash", "sha1")], Part::Hash(Hash::Sha1)),
        ],
    },
    // twemproxy src/nc_server.c: server_pool_idx; src/hashkit/nc_ketama.c,
    // nc_modula.c; src/nc_conf.c: conf_validate_server, which sorts the servers.
    Scheme {
        name: "twemproxy",
        parameters: &[
            parameter("distribution", "ketama", &["ketama", "modula"]),
            parameter(
                "hash",
                "fnv1a_64",
                &[
                    "one_at_a_time",
                    "md5",
                    "crc16",
                    "crc32",
                    "crc32a",
                    "fnv1_64",
                    "fnv1a_64",
                    "fnv1_32",
                    "fnv1a_32",
                    "hsieh",
                    "murmur",
                    "jenkins",
                ],
            ),
            tag_pair(),
            parameter("signedChar", "true", &["true", "false"]),
        ],
        recipe: Recipe {
            hash: Hash::Fnv1a64Low(Char::Signed),
            empty_hash: Some(0),
            layout: Layout::Ring(RingRecipe {
                label: label("{name}-{i}"),
                points: points::twemproxy,
                point: PointHash::Md5Words,
                lookup: Lookup::AtOrAbove,
                collision: Collision::First,
            }),
            weights: Weights::Whole(1.0),
            order: Order::NameLength,
            ..PLAIN
        },
        rules: &[
            rule(
                &[("distribution", "modula")],
                Part::Layout(Layout::WeightedModulo),
            ),
            rule(
                &[("hash", "one_at_a_time")],
                Part::Hash(Hash::OneAtATime(Char::Signed)),
            ),
            rule(&[("hash", "md5")], Part::Hash(Hash::Md5Le)),
            rule(&[("hash", "crc16")], Part::Hash(Hash::Crc16Wide)),
            rule(&[("hash", "crc32")], Part::Hash(Hash::Crc32High)),
            rule(&[("hash", "crc32a")], Part::Hash(Hash::Crc32)),
            rule(
                &[("hash", "fnv1_64")],
                Part::Hash(Hash::Fnv1_64Low(Char::Signed)),
            ),
            rule(
                &[("hash", "fnv1_32")],
                Part::Hash(Hash::Fnv1_32(Char::Signed)),
            ),
            rule(
                &[("hash", "fnv1a_32")],
                Part::Hash(Hash::Fnv1a32(Char::Signed)),
            ),
            rule(&[("hash", "hsieh")], Part::Hash(Hash::Hsieh(Char::Signed))),
            rule(&[("hash", "murmur")], Part::Hash(Hash::Murmur2)),
            rule(&[("hash", "jenkins")], Part::Hash(Hash::Jenkins)),
            rule(&[("signedChar", "false")], Part::UnsignedChar),
            rule(
                &[("distribution", "ketama"), ("hash", "crc32")],
                Part::Warn(
                    "twemproxy's crc32 has 15 bits, so with ketama nearly every key goes to the \
                     node of the lowest point; keep it only to read data that lies so, and use \
                     crc32a or distribution: \"modula\" otherwise (twitter/twemproxy#175)",
                ),
            ),
        ],
    },
    // redis-rb lib/redis/hash_ring.rb, lib/redis/distributed.rb: key_tag.
    Scheme {
        name: "redis-rb",
        parameters: &[version(&["1", "5"])],
        recipe: tagged(
            TagRule::LineStart,
            Recipe {
                layout: redis_rb_ring(Hash::Md5Be),
                names: Names::Given(
                    "redis-rb hashes the id of a node, such as redis://host:6379/0 (without /0 \
                     from redis-client 0.21 on)",
                ),
                ..PLAIN
            },
        ),
        rules: &[rule(
            &[("version", "1")],
            Part::Layout(redis_rb_ring(Hash::Crc32)),
        )],
    },
    // predis src/Cluster/Distributor/HashRing.php, KetamaRing.php.
    Scheme {
        name: "predis",
        parameters: &[parameter(
            "distributor",
            "hashring",
            &["hashring", "ketama"],
        )],
        recipe: tagged(
            BRACES,
            Recipe {
                layout: Layout::Ring(RingRecipe {
                    label: label("{name}:{i}"),
                    points: points::predis_hash_ring,
                    point: PointHash::One(Hash::Crc32),
                    lookup: Lookup::AtOrBelow,
                    collision: Collision::Last,
                }),
                weights: Weights::Whole(100.0),
                ..PLAIN
            },
        ),
        rules: &[
            rule(&[("distributor", "ketama")], Part::Hash(Hash::Md5Le)),
            rule(
                &[("distributor", "ketama")],
                Part::Layout(ketama(points::predis_ketama, Collision::Last)),
            ),
        ],
    },
    // phpredis redis_array_impl.c: ra_find_node, ra_make_continuum,
    // ra_extract_key. "default" is the option left out.
    Scheme {
        name: "phpredis",
        parameters: &[
            parameter(
                "algorithm",
                "default",
                &["default", "crc32b", "md5", "sha1", "sha256"],
            ),
            parameter("consistent", "false", &["false", "true"]),
        ],
        recipe: tagged(
            TagRule::PhpRedis,
            Recipe {
                hash: Hash::Crc32Register,
                layout: Layout::Range,
                ..PLAIN
            },
        ),
        rules: &[
            rule(
                &[("consistent", "true")],
                Part::Layout(ketama(points::always_40, Collision::First)),
            ),
            rule(&[("algorithm", "crc32b")], Part::Hash(Hash::PhpCrc32b)),
            rule(&[("algorithm", "md5")], Part::Hash(Hash::PhpMd5)),
            rule(&[("algorithm", "sha1")], Part::Hash(Hash::PhpSha1)),
            rule(&[("algorithm", "sha256")], Part::Hash(Hash::PhpSha256)),
        ],
    },
    // go-redis ring.go, internal/hashtag, internal/consistenthash.
    Scheme {
        name: "go-redis",
        parameters: &[version(&["3", "8"])],
        recipe: tagged(
            BRACES,
            Recipe {
                hash: Hash::Xxh64,
                layout: Layout::Rendezvous,
                names: Names::Given("go-redis hashes the keys of its Addrs map, not the addresses"),
                ..PLAIN
            },
        ),
        rules: &[
            rule(&[("version", "3")], Part::Hash(Hash::Crc32)),
            rule(
                &[("version", "3")],
                Part::Layout(Layout::Ring(RingRecipe {
                    label: label("{i}{name}"),
                    points: points::always_100,
                    point: PointHash::One(Hash::Crc32),
                    lookup: Lookup::AtOrAbove,
                    collision: Collision::Last,
                })),
            ),
        ],
    },
    // jedis util/Sharded.java, providers/ShardedConnectionProvider.java. Bytes
    // keys never had tags.
    Scheme {
        name: "jedis",
        parameters: &[
            parameter("hash", "murmur", &["murmur", "md5"]),
            version(&["1.5", "2.0", "2.10", "4.0"]),
            parameter("hashTag", "false", &["false", "true"]),
        ],
        recipe: Recipe {
            hash: Hash::Murmur64Signed,
            layout: jedis_ring("SHARD-{index}-NODE-{i}"),
            ..PLAIN
        },
        rules: &[
            rule(&[("hash", "md5")], Part::Hash(Hash::Md5Le)),
            rule(
                &[("hashTag", "true")],
                Part::Tag(TagRule::Shortest, TagRule::None),
            ),
            rule(&[("version", "1.5")], Part::Weights(Weights::Whole(1.0))),
            rule(&[("version", "2.0")], Part::Weights(Weights::Whole(1.0))),
            rule(&[("version", "2.10")], Part::Weights(Weights::Whole(1.0))),
            rule(&[("version", "1.5")], Part::Layout(jedis_ring("{name}{i}"))),
            rule(
                &[("version", "2.0")],
                Part::Layout(jedis_ring("{name}*{weight}{i}")),
            ),
            rule(
                &[("version", "2.10")],
                Part::Layout(jedis_ring("{name}*{i}")),
            ),
        ],
    },
    // django-redis django_redis/hash_ring.py, client/sharded.py: get_server_name.
    Scheme {
        name: "django-redis",
        parameters: &[],
        recipe: tagged(
            TagRule::Greedy,
            Recipe {
                hash: Hash::Sha256,
                layout: Layout::Ring(RingRecipe {
                    label: label("{name}:{i}"),
                    points: points::always_128,
                    point: PointHash::One(Hash::Sha256),
                    lookup: Lookup::AtOrBelow,
                    collision: Collision::Last,
                }),
                names: Names::Given("django-redis hashes the URL of a server as it is configured"),
                ..PLAIN
            },
        ),
        rules: &[],
    },
    // The npm package hashring, as libmemcached's ketama.
    Scheme {
        name: "hashring",
        parameters: &[],
        recipe: Recipe {
            hash: Hash::Md5Le,
            layout: ketama(points::always_40, Collision::Last),
            ..PLAIN
        },
        rules: &[],
    },
];

const PYTHON_2_ONLY: &str = "redis-shard before 0.3.5 ran on Python 2 only, so its data was \
     placed there: add python: 2";

const fn redis_rb_ring(hash: Hash) -> Layout {
    Layout::Ring(RingRecipe {
        label: label("{name}:{i}"),
        points: points::always_160,
        point: PointHash::One(hash),
        lookup: Lookup::AtOrBelow,
        collision: Collision::Last,
    })
}

const fn ketama(points: points::Points, collision: Collision) -> Layout {
    Layout::Ring(RingRecipe {
        label: label("{name}-{i}"),
        points,
        point: PointHash::Md5Words,
        lookup: Lookup::AtOrAbove,
        collision,
    })
}

/// Named nodes have labels of their own; the others go by their place in the list.
const fn jedis_ring(named: &'static str) -> Layout {
    Layout::Ring(RingRecipe {
        label: Label {
            named,
            unnamed: "SHARD-{index}-NODE-{i}",
        },
        points: points::jedis,
        point: PointHash::AsKeys,
        lookup: Lookup::AtOrAbove,
        collision: Collision::Last,
    })
}
