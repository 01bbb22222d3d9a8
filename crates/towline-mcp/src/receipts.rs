//! Who is told that an answer was written out: an outcome counts as read only from then on.
//!
//! Holds to: a call that is never answered (the client cancelled it) tells nobody; bounded. Leaves out: what hangs on it (the engine).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;
use towline_base::limits;

/// Calls whose answers have not been written; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receipts(Arc<Mutex<VecDeque<(RequestId, CancellationToken)>>>);

impl Receipts {
    /// A token that is cancelled when the answer to this request has been written out.
    pub(crate) fn expect(&self, id: RequestId) -> CancellationToken {
        let told = CancellationToken::new();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The oldest are of calls that were cancelled and never answered.
        if waiting.len() >= limits::UNTOLD_ANSWERS {
            waiting.pop_front();
        }
        waiting.push_back((id, told.clone()));
        told
    }

    /// The token of the request that is answered now.
    pub(crate) fn take(&self, id: &RequestId) -> Option<CancellationToken> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = waiting.iter().rposition(|(other, _)| other == id)?;
        waiting.remove(at).map(|(_, told)| told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_own_and_what_is_never_answered_goes() {
        let receipts = Receipts::default();
        let first = receipts.expect(RequestId::Number(1));
        let second = receipts.expect(RequestId::Number(2));
        receipts.take(&RequestId::Number(2)).expect("it waits").cancel();
        assert!(second.is_cancelled() && !first.is_cancelled());
        assert!(receipts.take(&RequestId::Number(2)).is_none());
        for n in 0..limits::UNTOLD_ANSWERS {
            receipts.expect(RequestId::Number(i64::try_from(n + 10).expect("small")));
        }
        assert!(receipts.take(&RequestId::Number(1)).is_none());
    }
}
