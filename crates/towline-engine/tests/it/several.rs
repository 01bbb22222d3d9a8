//! Several files in one call, again and again, over a slow link.

use std::time::Duration;

use towline_engine::action::ReadWindow;
use towline_engine::answer::FileContent;
use towline_engine::{Action, Body};
use towline_testkit::{LabOptions, RelayOptions};

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn many_files_come_in_one_answer_every_time() {
    let rig = Rig::with(LabOptions { relay: RelayOptions::rtt(Duration::from_millis(100)), ..LabOptions::default() });
    let home = rig.lab.sshd.home();
    let windows: Vec<ReadWindow> = (0..20)
        .map(|number| {
            let path = home.join(format!("{number}.txt"));
            let text = format!("file {number}, line 0\n") + &"another line\n".repeat(29);
            std::fs::write(&path, text).expect("a file");
            ReadWindow { file_path: path.to_string_lossy().into_owned(), offset: None, limit: None, allow_large: false }
        })
        .collect();
    for round in 0..8 {
        let answer = tokio::time::timeout(Duration::from_secs(30), rig.perform(Action::MultiRead(windows.clone()))).await;
        let body = answer.unwrap_or_else(|_| panic!("no answer in round {round}")).expect("MultiRead answers").body;
        let Body::Files(files) = body else { panic!("{body:?}") };
        assert_eq!(files.len(), 20);
        for (number, file) in files.iter().enumerate() {
            let content = &file.as_ref().expect("a file").content;
            let FileContent::Text { bytes, .. } = content else { panic!("{content:?}") };
            assert!(bytes.starts_with(format!("file {number}, line 0\n").as_bytes()), "{number}");
        }
    }
}
