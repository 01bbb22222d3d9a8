//! Who changes a file next: changes of one file by this towline queue, in the order in which they came.
//!
//! Holds to: changes of different files never wait for each other. Leaves out: other programs and other names of the same file;
//! the host compares before it changes anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use towline_base::HostAlias;

/// Queues that nobody stands in are let go when there are so many.
const QUEUES: usize = 64;

/// A file as it was asked for, or as it is known.
type File = (HostAlias, Vec<u8>);

/// A queue for each file that is being changed.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<File, Arc<tokio::sync::Mutex<()>>>>);

/// A turn; it is over when this is dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

impl Turns {
    /// Waits for one's turn at a file.
    pub(crate) async fn take(&self, host: &HostAlias, path: Vec<u8>) -> Turn {
        let queue = {
            let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if queues.len() >= QUEUES {
                // Whoever waits or works holds a queue, too.
                queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            }
            queues.entry((host.clone(), path)).or_default().clone()
        };
        queue.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_of_one_file_follow_each_other_and_idle_queues_go() {
        let (turns, host) = (Arc::new(Turns::default()), HostAlias::parse("h").unwrap());
        let first = turns.take(&host, b"/a".to_vec()).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for number in 0..20 {
            let (turns, host, order) = (turns.clone(), host.clone(), order.clone());
            waiting.push(tokio::spawn(async move {
                let _turn = turns.take(&host, b"/a".to_vec()).await;
                order.lock().unwrap().push(number);
            }));
            tokio::task::yield_now().await;
        }
        for number in 0..QUEUES * 2 {
            drop(turns.take(&host, format!("/{number}").into_bytes()).await);
        }
        assert!(order.lock().unwrap().is_empty(), "nobody came before its turn");
        assert!(turns.0.lock().unwrap().len() <= QUEUES);
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }
}
