//! What the machine can do, in words for `welkin doctor`.

use super::Backend;

/// The outcome of trying, not of reading version numbers.
#[derive(Clone, Debug)]
pub struct Probe {
    pub backend: Backend,
    /// Native only: the sandboxes' user comes from the machine's root rather than from a user namespace.
    pub privileged: bool,
    /// How memory and process counts are limited.
    pub limits: String,
    /// Why something weaker than the best was chosen; empty when nothing was.
    pub remarks: Vec<String>,
}

impl Probe {
    pub(super) fn process(remark: impl Into<String>) -> Self {
        Self {
            backend: Backend::Process,
            privileged: false,
            limits: "resource limits and a watch on resident memory".into(),
            remarks: vec![
                remark.into(),
                "Functions run as plain processes: they can read this machine's files and reach its network.".into(),
            ],
        }
    }
}
