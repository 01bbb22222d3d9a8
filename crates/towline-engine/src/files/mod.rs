//! The file tools: what an agent's Read, Write, Edit, Stat, List, Glob and Grep do.

use towline_base::{Code, Failure, HostAlias, SessionName};
use towline_proto::files::{ToolCall, ToolReply};

use crate::action::{Edit, List, ReadWindow, Write};
use crate::answer::Answer;

pub(crate) mod search {
    use super::*;
    use crate::action::{Glob, Grep};
    pub(crate) async fn glob(line: &impl ToolLine, glob: &Glob) -> Result<Answer, Failure> {
        let _ = (line, glob);
        Err(Failure::new(Code::Internal, "not wired"))
    }
    pub(crate) async fn grep(line: &impl ToolLine, grep: &Grep) -> Result<Answer, Failure> {
        let _ = (line, grep);
        Err(Failure::new(Code::Internal, "not wired"))
    }
}

/// One round trip to a tool program on the host, in a session's directory.
pub(crate) trait ToolLine: Sync {
    /// Calls a program.
    fn call(&self, call: ToolCall) -> impl Future<Output = Result<ToolReply, Failure>> + Send;
}

/// Where a file tool works.
pub(crate) struct Scope<'a> {
    pub(crate) host: &'a HostAlias,
    pub(crate) session: &'a SessionName,
}

pub(crate) struct Files {}

impl Files {
    pub(crate) fn new(_state_dir: &std::path::Path) -> Self {
        Self {}
    }
    pub(crate) async fn read(&self, _: &impl ToolLine, _: &Scope<'_>, _: &[ReadWindow]) -> Result<Answer, Failure> {
        Err(Failure::new(Code::Internal, "not wired"))
    }
    pub(crate) async fn write(&self, _: &impl ToolLine, _: &Scope<'_>, _: &Write) -> Result<Answer, Failure> {
        Err(Failure::new(Code::Internal, "not wired"))
    }
    pub(crate) async fn edit(&self, _: &impl ToolLine, _: &Scope<'_>, _: &Edit) -> Result<Answer, Failure> {
        Err(Failure::new(Code::Internal, "not wired"))
    }
    pub(crate) async fn stat(&self, _: &impl ToolLine, _: &Scope<'_>, _: &[String]) -> Result<Answer, Failure> {
        Err(Failure::new(Code::Internal, "not wired"))
    }
    pub(crate) async fn list(&self, _: &impl ToolLine, _: &Scope<'_>, _: &List) -> Result<Answer, Failure> {
        Err(Failure::new(Code::Internal, "not wired"))
    }
}
