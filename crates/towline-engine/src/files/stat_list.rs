//! Stat and List: what paths are, what a directory holds.

use towline_base::{Failure, limits};
use towline_proto::files::meta::Meta;
use towline_proto::files::{list, stat};

use super::words::{self, Deed};
use super::{Files, Scope, ToolLine};
use crate::action::List;
use crate::answer::{Answer, Body, Entry, Listing};

impl Files {
    /// Tells what paths are, each with its own reason if that cannot be told.
    pub(crate) async fn stat(&self, line: &impl ToolLine, scope: &Scope<'_>, paths: &[String]) -> Result<Answer, Failure> {
        for path in paths {
            words::check_path("paths", path)?;
        }
        let names: Vec<Vec<u8>> = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        let reply = line.call(stat::call(&names)).await?;
        let reply = stat::parse(reply.status, &reply.body).map_err(|error| words::reply_failure(Deed::Read, &error, ""))?;
        self.stand(scope, &reply.cwd);
        let told = paths.iter().zip(reply.paths).map(|(path, found)| {
            let found = found.map(|(_, meta)| entry(words::shown(&words::absolute(&reply.cwd, path)), meta)).map_err(|word| why(&word));
            (path.clone(), found)
        });
        Ok(Answer { body: Body::Stats(told.collect()), notes: Vec::new() })
    }

    /// Lists a directory.
    pub(crate) async fn list(&self, line: &impl ToolLine, scope: &Scope<'_>, list: &List) -> Result<Answer, Failure> {
        let path = list.path.as_deref().unwrap_or(".");
        words::check_path("path", path)?;
        let reply = line.call(list::call(path.as_bytes(), list.hidden, limits::LIST_ENTRIES)).await?;
        let mut reply = list::parse(reply.status, &reply.body).map_err(|error| words::reply_failure(Deed::List, &error, path))?;
        self.stand(scope, &reply.cwd);
        let described = reply.entries.len() as u64;
        reply.entries.sort_by(|a, b| a.0.cmp(&b.0));
        let entries = reply.entries.into_iter().filter_map(|(name, meta)| Some(entry(words::shown(&name), meta?))).collect();
        let path = words::shown(&words::absolute(&reply.cwd, path));
        Ok(Answer { body: Body::Listing(Listing { path, entries, omitted: reply.total.saturating_sub(described) }), notes: Vec::new() })
    }
}

fn entry(name: String, meta: Meta) -> Entry {
    Entry {
        name,
        kind: meta.kind.word(),
        target: meta.target.map(|target| words::shown(&target)),
        size: meta.size,
        mode: meta.mode,
        owner: meta.owner,
        mtime: meta.mtime,
    }
}

fn why(word: &str) -> String {
    match word {
        "enoent" => "does not exist".to_owned(),
        "enotdir" => "a part of the path is not a directory".to_owned(),
        "eacces" => "permission denied on a directory of the path".to_owned(),
        "eloop" => "too many symbolic links".to_owned(),
        "enametoolong" => "a name in the path is too long".to_owned(),
        other => format!("cannot be told ({})", words::shown(other.as_bytes())),
    }
}
