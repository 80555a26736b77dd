//! Whatever bytes come, in whatever chunks, the scanner finds what a plain parser
//! finds: the oracle and the driver are those of `crates/core/tests/fuzz.rs`.
#![no_main]

#[path = "../crates/core/tests/replies/mod.rs"]
mod replies;

use libfuzzer_sys::fuzz_target;
use replies::{Outcome, parse, scan, skip};

fuzz_target!(|data: &[u8]| {
    let [room, most, size, bytes @ ..] = data else {
        return;
    };
    let room = usize::from(*room) + 1;
    let most = u32::from(*most) + 1;
    let chunks: Vec<&[u8]> = bytes.chunks(usize::from(*size) + 1).collect();
    assert_eq!(scan(&chunks, room, most), parse(bytes, false));
    let expected = Outcome {
        items: Vec::new(),
        ..parse(bytes, true)
    };
    assert_eq!(skip(&chunks, most), expected);
});
