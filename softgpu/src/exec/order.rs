//! Which blocks may know of each other's writes: the protocols that [`global`](super::global) believes.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::global::Access;
use super::launch::{ACQUIRED, FENCED, LOOKED, Launch, RELEASED};
use super::warp::Warp;

/// The block tag that stands for several blocks.
pub const MANY: u32 = (1 << 30) - 1;

/// Notes an atomic, volatile, relaxed, acquiring or releasing access, before it happens: how blocks tell
/// each other what they have done.
#[cold]
pub fn note(warp: &mut Warp, access: Access, ordered: bool) {
    if access != Access::Store {
        warp.polled();
    }
    let Some(order) = warp.launch.order.get(warp.block.index as usize) else { return };
    let released = ordered || order.load(Relaxed) & FENCED != 0;
    let released = if released && access != Access::Load { RELEASED } else { 0 };
    let acquired = match access {
        Access::Load if !ordered => LOOKED,
        Access::Store => 0,
        _ => ACQUIRED,
    };
    order.fetch_or(released | acquired, Relaxed);
    if ordered {
        // What stands before a release must reach the other workers before it.
        std::sync::atomic::fence(SeqCst);
    }
}

/// Whether block tag `by` has released and block tag `me` acquired.
#[cold]
pub fn published(launch: &Launch, by: u32, me: u32) -> bool {
    let state =
        |tag: u32| launch.order.get((tag - 1) as usize).map_or(0, |state| state.load(Relaxed));
    (by == MANY || state(by) & RELEASED != 0) && state(me) & ACQUIRED != 0
}
