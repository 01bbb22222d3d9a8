//! Ways to break the machine or the host, each of which the search must notice.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mutation {
    /// Whoever claims an execution's beginning begins it, first or not.
    ClaimsAreNotExclusive,
    /// Two outcomes, or one twice, are sent side by side, their parts in any order.
    OutcomesSentSideBySide,
    /// Lanes that attached later are not told of the end.
    OnlyTheAskerIsWoken,
    /// The outcome is gone once it was told, to whomever.
    OutcomeIsReadOnce,
    /// A lane that asks again looks how the execution stands before it attaches, and not after.
    AttachedAfterTheLook,
    /// A lane that waits for an execution whose record comes at this very moment is not attached to it.
    AttachedBeforeItIsThere,
    /// An execution without a supervisor is called lost without a look at its shell.
    LostIsGuessed,
    /// An execution is said to run because its session has a supervisor, be it another than the one that began it.
    AnySupervisorIsItsOwn,
    /// A request that is sent again gets a new id.
    NewIdOnEachSending,
    /// What an older lane says is taken for the newest lane's.
    OldLanesAreHeard,
    /// A call is answered twice.
    EveryAnswerTwice,
    /// A call whose lane was lost is not sent again.
    NothingIsSentAgain,
    /// A change that may have been made is sent again.
    EverythingIsSentAgain,
}
