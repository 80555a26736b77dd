//! What a scanner holds: how deep it is, and a line that is not complete; nothing
//! in proportion to what replies claim, or to how many there are.
#![allow(unsafe_code, reason = "only an allocator can count what is allocated")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use shardis_core::resp::{Progress, Scanner};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST_HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST_HELD.fetch_max(held, Relaxed);
        // SAFETY: the caller's promises are those that it asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the memory came from there.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many bytes a scanner holds at most while it reads, and afterwards.
fn held(read: impl FnOnce(&mut Scanner)) -> (usize, usize) {
    let mut scanner = Scanner::new();
    let before = HELD.load(Relaxed);
    MOST_HELD.store(before, Relaxed);
    read(&mut scanner);
    let most = MOST_HELD.load(Relaxed) - before;
    (most, HELD.load(Relaxed) - before)
}

// One test, so that no other one allocates beside it.
#[test]
fn memory_is_bounded() {
    let claims = b"*2147483647\r\n%1073741823\r\n*2147483647\r\n$536870912\r\nab";
    let deep = [b"*9\r\n".repeat(128), b":1\r\n".repeat(9)].concat();
    let many = b"*2\r\n$1\r\na\r\n:1\r\n".repeat(10_000);
    let long = [b"+".to_vec(), b"x".repeat(1_000_000), b"\r\n$1".to_vec()].concat();
    let mut tokens = vec![[0; 3]; 40_000];
    let mut progress = Progress::default();
    for bytes in [&claims[..], &deep, &many] {
        let (most, _) = held(|scanner| {
            scanner
                .scan(bytes, 0, 10_000, &mut tokens, &mut progress)
                .unwrap();
        });
        assert!(most <= 4096, "{most}");
    }
    for bytes in [&claims[..], &deep, &many, &long] {
        let (most, after) = held(|scanner| {
            for byte in bytes.chunks(1) {
                scanner.skip(byte, 0, 20_000, &mut progress).unwrap();
            }
        });
        assert!(most <= 4096 || bytes == long && most < 4_000_000, "{most}");
        assert!(after <= 4096, "{after}");
    }
}
