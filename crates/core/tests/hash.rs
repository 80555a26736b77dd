//! Every hash against values of the original programs.

use serde_json::Value;
use shardis_core::hash::{Char, Hash};

/// Every variant there is.
const ALL: [Hash; 33] = [
    Hash::Crc32,
    Hash::Crc32Signed,
    Hash::Crc32Register,
    Hash::Crc32High,
    Hash::Crc32Absolute,
    Hash::Crc16,
    Hash::Crc16Wide,
    Hash::Md5Le,
    Hash::Md5Be,
    Hash::Md5,
    Hash::Sha1,
    Hash::Sha256,
    Hash::Fnv1_32(Char::Signed),
    Hash::Fnv1_32(Char::Unsigned),
    Hash::Fnv1a32(Char::Signed),
    Hash::Fnv1a32(Char::Unsigned),
    Hash::Fnv1_64Low(Char::Signed),
    Hash::Fnv1_64Low(Char::Unsigned),
    Hash::Fnv1a64Low(Char::Signed),
    Hash::Fnv1a64Low(Char::Unsigned),
    Hash::OneAtATime(Char::Signed),
    Hash::OneAtATime(Char::Unsigned),
    Hash::Hsieh(Char::Signed),
    Hash::Hsieh(Char::Unsigned),
    Hash::Jenkins,
    Hash::Murmur2,
    Hash::Murmur64,
    Hash::Murmur64Signed,
    Hash::Xxh64,
    Hash::PhpCrc32b,
    Hash::PhpMd5,
    Hash::PhpSha1,
    Hash::PhpSha256,
];

#[test]
fn crc32_is_that_of_zlib() {
    assert_eq!(Hash::Crc32.of(b"foo"), 0x8c73_6521);
    assert_eq!(Hash::Crc32.of(b"bar"), 0x76ff_8caa);
    assert_eq!(Hash::Crc32.of(b"123456789"), 0xcbf4_3926);
    assert_eq!(Hash::Crc32.of(b""), 0);
}

#[test]
fn variants_of_crc32_read_the_same_bits_otherwise() {
    assert_eq!(Hash::Crc32Register.of(b"foo"), 0x738c_9ade);
    assert_eq!(Hash::Crc32High.of(b"foo"), 0x0c73);
    assert_eq!(Hash::Crc32Absolute.of(b"foo"), 0x738c_9adf);
    assert_eq!(Hash::Crc32Absolute.of(b"bar"), 0x76ff_8caa, "not negative");
}

#[test]
fn crc16_is_xmodem() {
    assert_eq!(Hash::Crc16.of(b"123456789"), 0x31c3);
    assert_eq!(Hash::Crc16.of(b""), 0);
    assert_eq!(
        Hash::Crc16.of(b"foo") & 0x3fff,
        12182,
        "the slot of CLUSTER KEYSLOT foo"
    );
}

#[test]
fn md5_is_read_in_three_ways() {
    // RFC 1321, A.5: d41d8cd98f00b204e9800998ecf8427e and 900150983cd24fb0d6963f7d28e17f72.
    assert_eq!(Hash::Md5.of(b""), 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
    assert_eq!(
        Hash::Md5.of(b"abc"),
        0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72
    );
    assert_eq!(Hash::Md5Be.of(b"abc"), 0x9001_5098);
    assert_eq!(Hash::Md5Le.of(b"abc"), 0x9850_0190);
}

#[test]
fn sha1_and_sha256_are_read_from_the_top() {
    // FIPS 180-4 examples: a9993e364706816aba3e25717850c26c9cd0d89d and ba7816bf8f01cfea….
    assert_eq!(
        Hash::Sha1.of(b"abc"),
        0xa999_3e36_4706_816a_ba3e_2571_7850_c26c
    );
    assert_eq!(
        Hash::Sha256.of(b"abc"),
        0xba78_16bf_8f01_cfea_4141_40de_5dae_2223
    );
}

#[test]
fn phpredis_reads_eight_bytes_of_a_digest_modulo_its_largest_integer() {
    // By Python: int.from_bytes(digest[:8], "little") % 0xffffffff.
    assert_eq!(Hash::PhpCrc32b.of(b"foo"), 0x2165_738c);
    assert_eq!(Hash::PhpMd5.of(b"foo"), 0x3811_7ff9);
    assert_eq!(Hash::PhpSha1.of(b"foo"), 0x90d7_2df6);
    assert_eq!(Hash::PhpSha256.of(b"foo"), 0xfb7b_2594);
}

#[test]
fn only_hashes_that_read_chars_change_with_their_sign() {
    let default = Hash::Fnv1a64Low(Char::Signed);
    assert_eq!(
        default.with_char(Char::Unsigned),
        Hash::Fnv1a64Low(Char::Unsigned)
    );
    for hash in ALL {
        let [signed, unsigned] = [Char::Signed, Char::Unsigned].map(|char| hash.with_char(char));
        assert!(hash == signed || hash == unsigned, "{}", hash.name());
        let differ = signed.of(b"ab\xff") != unsigned.of(b"ab\xff");
        assert_eq!(differ, signed != unsigned, "{}", hash.name());
    }
}

#[test]
fn murmur64_is_that_of_jedis() {
    let foo = Hash::Murmur64Signed.of(b"foo");
    assert_eq!(
        u64::try_from(Hash::Murmur64Signed.shown(foo))
            .unwrap()
            .cast_signed(),
        -7_063_922_479_176_959_649
    );
}

#[test]
fn xxh64_is_that_of_its_specification() {
    assert_eq!(Hash::Xxh64.of(b""), 0xef46_db37_51d8_e999);
    assert_eq!(Hash::Xxh64.of(b"abc"), 0x44bc_2cf5_ad77_0999);
}

#[test]
fn apple_hashes_as_in_the_self_test_of_twemproxy() {
    // src/test_all.c
    for (hash, value) in [
        (Hash::Crc16Wide, 3_662_830_516),
        (Hash::Crc32High, 10_542),
        (Hash::Crc32, 2_838_417_488),
        (Hash::Fnv1_32(Char::Signed), 67_176_023),
        (Hash::Fnv1a32(Char::Signed), 280_767_167),
        (Hash::Fnv1_64Low(Char::Signed), 473_199_127),
        (Hash::Fnv1a64Low(Char::Signed), 1_488_911_807),
        (Hash::Hsieh(Char::Signed), 3_738_850_110),
        (Hash::Jenkins, 1_442_444_624),
        (Hash::Murmur2, 4_142_305_122),
        (Hash::OneAtATime(Char::Signed), 2_297_466_611),
        (Hash::Md5Le, 3_195_025_439),
    ] {
        assert_eq!(hash.of(b"apple"), value, "{}", hash.name());
    }
}

#[test]
fn golden_rows_of_twemproxy_and_jedis_agree() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../__test__/vectors/more.json"
    );
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let keys: Vec<Vec<u8>> = list(&golden["keys_hex"]).iter().map(bytes).collect();
    let mut rows = 0;
    for (name, row) in golden["alg"].as_object().unwrap() {
        let hash = match name.strip_prefix("twemproxy/hash/") {
            Some(name) => twemproxy(name),
            None if name == "jedis/murmur64A u64" => Hash::Murmur64,
            None => continue,
        };
        rows += 1;
        let expected: Vec<u128> = list(&row["result"]).iter().map(number).collect();
        let each: Vec<u128> = keys.iter().map(|key| hash.of(key)).collect();
        assert_eq!(each, expected, "{name}, one at a time");
        assert_eq!(of_many(hash, &keys), expected, "{name}, many at once");
    }
    assert_eq!(
        rows, 19,
        "12 hashes of twemproxy, 6 of them unsigned too, and one of Jedis"
    );
}

/// The hash under the name that the golden rows give it.
fn twemproxy(name: &str) -> Hash {
    let (name, char) = match name.strip_suffix(" (unsigned char)") {
        Some(name) => (name, Char::Unsigned),
        None => (name, Char::Signed),
    };
    match name {
        "one_at_a_time" => Hash::OneAtATime(char),
        "md5" => Hash::Md5Le,
        "crc16" => Hash::Crc16Wide,
        "crc32" => Hash::Crc32High,
        "crc32a" => Hash::Crc32,
        "fnv1_64" => Hash::Fnv1_64Low(char),
        "fnv1a_64" => Hash::Fnv1a64Low(char),
        "fnv1_32" => Hash::Fnv1_32(char),
        "fnv1a_32" => Hash::Fnv1a32(char),
        "hsieh" => Hash::Hsieh(char),
        "murmur" => Hash::Murmur2,
        "jenkins" => Hash::Jenkins,
        _ => panic!("no hash is called {name}"),
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// The bytes of a string of hexadecimal digits.
fn bytes(hex: &Value) -> Vec<u8> {
    let (pairs, _) = hex.as_str().unwrap().as_bytes().as_chunks::<2>();
    pairs
        .iter()
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A number, which JSON holds as a string where it exceeds a double's precision.
fn number(value: &Value) -> u128 {
    match value {
        Value::String(digits) => digits.parse().unwrap(),
        number => number.as_u64().unwrap().into(),
    }
}

fn of_many(hash: Hash, keys: &[Vec<u8>]) -> Vec<u128> {
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut values = vec![u128::MAX; keys.len()];
    hash.of_many(&keys, &mut values);
    values
}

#[test]
fn values_stay_within_their_bits() {
    for hash in ALL {
        for key in [&b""[..], b"foo", b"bar", b"\xff\xfe\xfd\xfc"] {
            let value = hash.of(key);
            assert_eq!(
                value.checked_shr(hash.bits()).unwrap_or(0),
                0,
                "{}",
                hash.name()
            );
        }
    }
}

#[test]
fn names_are_distinct() {
    let mut names = ALL.map(Hash::name);
    names.sort_unstable();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}

#[test]
fn signed_variants_order_like_the_signed_number_and_show_its_bits() {
    let keys: Vec<String> = (0..100).map(|n| format!("key:{n}")).collect();
    let signed_32 = |key: &String| {
        u32::try_from(Hash::Crc32.of(key.as_bytes()))
            .unwrap()
            .cast_signed()
    };
    let signed_64 = |key: &String| {
        u64::try_from(Hash::Murmur64.of(key.as_bytes()))
            .unwrap()
            .cast_signed()
    };
    for pair in keys.windows(2) {
        let [a, b] = [pair[0].as_bytes(), pair[1].as_bytes()];
        let crc = Hash::Crc32Signed;
        assert_eq!(
            crc.of(a) < crc.of(b),
            signed_32(&pair[0]) < signed_32(&pair[1])
        );
        assert_eq!(crc.shown(crc.of(a)), Hash::Crc32.of(a));
        let murmur = Hash::Murmur64Signed;
        assert_eq!(
            murmur.of(a) < murmur.of(b),
            signed_64(&pair[0]) < signed_64(&pair[1])
        );
        assert_eq!(murmur.shown(murmur.of(a)), Hash::Murmur64.of(a));
    }
}

proptest::proptest! {
    #[test]
    fn many_at_once_equal_one_at_a_time(
        keys in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..150), 0..70),
    ) {
        for hash in ALL {
            let each: Vec<u128> = keys.iter().map(|key| hash.of(key)).collect();
            proptest::prop_assert_eq!(of_many(hash, &keys), each, "{}", hash.name());
        }
    }
}

#[test]
fn lengths_around_a_block_and_very_long_keys_are_hashed_alike_in_batches() {
    let mut keys: Vec<Vec<u8>> = [0, 1, 7, 8, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1 << 20]
        .map(|length| (0..=u8::MAX).cycle().take(length).collect())
        .to_vec();
    keys.extend_from_within(..);
    for hash in ALL {
        let each: Vec<u128> = keys.iter().map(|key| hash.of(key)).collect();
        assert_eq!(of_many(hash, &keys), each, "{}", hash.name());
    }
}
