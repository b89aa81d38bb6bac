//! Waits for the descriptors of all sensors that have one, with one thread, so that an edge makes its sensor due.
//!
//! A descriptor is armed after each sample and reported once. Until the next sample it is not watched, so it cannot be reported again
//! and again. The kernel forgets one that is closed.

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use std::io::{self, PipeWriter};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;

/// The number of what ends the thread; no sensor has it.
const END: u64 = u64::MAX;
const STACK_BYTES: usize = 64 * 1024;

/// See the module. Dropping this ends the thread.
pub(super) struct Readable {
    epoll: Arc<OwnedFd>,
    _end: PipeWriter,
}

impl Readable {
    /// Starts the thread. `tell` gets the number of each descriptor that became readable, and must not wait.
    ///
    /// # Errors
    /// The system refused the thread or a descriptor.
    pub(super) fn start(tell: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        let epoll = Arc::new(epoll::create(CreateFlags::CLOEXEC)?);
        let (ended, end) = io::pipe()?;
        epoll::add(&epoll, &ended, EventData::new_u64(END), EventFlags::HUP)?;
        let waiting = Arc::clone(&epoll);
        let run = move || {
            run(&waiting, &tell);
            drop(ended);
        };
        thread::Builder::new().name("sensors-edges".to_owned()).stack_size(STACK_BYTES).spawn(run)?;
        Ok(Self { epoll, _end: end })
    }

    /// Has this descriptor reported once, by this number, when it is readable, which may be now.
    ///
    /// # Errors
    /// The system cannot wait for it.
    pub(super) fn arm(&self, descriptor: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        let (data, flags) = (EventData::new_u64(number), EventFlags::IN | EventFlags::ONESHOT);
        match epoll::add(&self.epoll, descriptor, data, flags) {
            Err(Errno::EXIST) => Ok(epoll::modify(&self.epoll, descriptor, data, flags)?),
            added => Ok(added?),
        }
    }
}

fn run(epoll: &OwnedFd, tell: &dyn Fn(u64)) {
    const NONE: Event = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
    let mut events = [NONE; 16];
    loop {
        let count = match epoll::wait(epoll, &mut events, None) {
            Ok(count) => count,
            Err(Errno::INTR) => continue,
            Err(_) => return,
        };
        for event in events.iter().take(count) {
            match event.data.u64() {
                END => return,
                number => tell(number),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::sync::mpsc::{RecvTimeoutError, channel};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_descriptor_tells_once_each_time_it_is_armed() {
        let (tell, told) = channel();
        let readable = Readable::start(move |number| tell.send(number).unwrap()).unwrap();
        let ((mut ours, mut theirs), (others, _kept)) = (io::pipe().unwrap(), io::pipe().unwrap());
        readable.arm(others.as_fd(), 8).unwrap();
        readable.arm(ours.as_fd(), 7).unwrap();
        theirs.write_all(b"ab").unwrap();
        assert_eq!(told.recv_timeout(LONG), Ok(7));
        // It is still readable, and reported only when it is armed again.
        ours.read_exact(&mut [0]).unwrap();
        readable.arm(ours.as_fd(), 9).unwrap();
        assert_eq!(told.recv_timeout(LONG), Ok(9));
        ours.read_exact(&mut [0]).unwrap();
        readable.arm(ours.as_fd(), 10).unwrap();
        drop((ours, others));
        drop(readable);
        assert_eq!(told.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected), "the thread has ended");
    }
}
