//! A queue for a reader that may be slow, bounded in pieces and in bytes. What has no room is dropped and counted, and the count
//! takes the place of what was dropped.
//!
//! The oldest pieces stay, because they show how an incident began.

use std::collections::VecDeque;

/// See the module.
#[derive(Debug)]
pub struct Backlog<T> {
    /// Each with its size, and how many were dropped just before it.
    waiting: VecDeque<(u64, usize, T)>,
    bytes: usize,
    /// Dropped since the last one that waits.
    dropped: u64,
    pieces_max: usize,
    bytes_max: usize,
}

/// What the reader gets next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// The number of pieces that were dropped here.
    Dropped(u64),
    /// One that was kept.
    Kept(T),
}

impl<T> Backlog<T> {
    /// An empty one with these bounds.
    pub fn new(pieces_max: usize, bytes_max: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, dropped: 0, pieces_max, bytes_max }
    }

    /// Takes one of this size; false if it was dropped, because there is no room.
    pub fn push(&mut self, bytes: usize, piece: T) -> bool {
        let is_full = self.waiting.len() >= self.pieces_max || self.bytes_max - self.bytes < bytes;
        if is_full {
            self.dropped += 1;
            return false;
        }
        self.bytes += bytes;
        self.waiting.push_back((core::mem::take(&mut self.dropped), bytes, piece));
        true
    }

    /// The next, in the order in which they came.
    pub fn pop(&mut self) -> Option<Next<T>> {
        let dropped = self.waiting.front_mut().map_or(&mut self.dropped, |(dropped, ..)| dropped);
        match core::mem::take(dropped) {
            0 => {}
            dropped => return Some(Next::Dropped(dropped)),
        }
        let (_, bytes, piece) = self.waiting.pop_front()?;
        self.bytes -= bytes;
        Some(Next::Kept(piece))
    }

    /// Is there nothing to read?
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_counted_where_it_would_have_stood() {
        let mut backlog = Backlog::new(2, 100);
        assert!(backlog.push(1, 'a') && backlog.push(1, 'b'));
        assert!(!backlog.push(1, 'c') && !backlog.push(1, 'd'));
        assert_eq!(backlog.pop(), Some(Next::Kept('a')));
        assert!(backlog.push(1, 'e'));
        assert!(!backlog.push(1, 'f'));
        let rest: Vec<_> = core::iter::from_fn(|| backlog.pop()).collect();
        assert_eq!(rest, [Next::Kept('b'), Next::Dropped(2), Next::Kept('e'), Next::Dropped(1)]);
        assert!(backlog.is_empty());
    }

    #[test]
    fn bytes_are_bounded_and_come_free_again() {
        let mut backlog = Backlog::new(10, 100);
        assert!(backlog.push(60, 'a') && !backlog.push(41, 'b') && backlog.push(40, 'c'));
        assert_eq!((backlog.pop(), backlog.len()), (Some(Next::Kept('a')), 1));
        assert!(backlog.push(60, 'd') && !backlog.push(101, 'e'));
    }
}
