//! How much memory a reader takes for what it reads: a length that stands in a file must not be believed.

#![allow(unsafe_code, reason = "an allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting.
pub struct Counting;

thread_local! {
    /// Bytes that this thread has taken and not given back. Below zero where it gives back what another one took.
    static TAKEN: Cell<isize> = const { Cell::new(0) };
    /// The most that it ever was.
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = TAKEN.try_with(|taken| {
        taken.set(taken.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(taken.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize);
        // SAFETY: as above.
        let moved = unsafe { System.realloc(memory, layout, size) };
        count(-(layout.size() as isize));
        moved
    }
}

/// What a reader may take at the same time beside its input, whatever that is.
const FLOOR: usize = 64 * 1024;

/// And for each byte of its input: structures are larger than what they are read from, and a growing list is there twice.
const FACTOR: usize = 32;

/// Runs a check on bytes. Panics when it takes more memory than bytes of that number explain.
pub fn bounded(name: &str, bytes: &[u8], check: fn(&[u8])) {
    let before = TAKEN.get();
    MOST.set(before);
    check(bytes);
    let taken = (MOST.get() - before).unsigned_abs();
    let limit = FLOOR + FACTOR * bytes.len();
    assert!(
        taken <= limit,
        "{name}: {taken} bytes of memory for {} bytes of input, more than {limit}",
        bytes.len()
    );
}
