//! What a service says of itself: the updates of its status page.
//!
//! An official row stands beside a spike and is never a post: it is counted nowhere, and its absence proves nothing,
//! since users usually notice first. A page edits its updates in place, so that one is known by page, incident and
//! update, and the newest version replaces the others. Nothing here knows a wire: that is `feed/status.rs`.

use crate::time::Timestamp;

/// One update of one incident on a status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Official {
    /// The page's own id.
    pub page_id: String,
    /// The incident's id, unique on its page.
    pub incident_id: String,
    /// The update's id, unique in its incident; empty for an incident that has none yet.
    pub update_id: String,
    /// What the page is called.
    pub page: String,
    /// The service of the lexicon that it speaks of, where that is known.
    pub service: Option<String>,
    /// What the incident is called.
    pub incident: String,
    /// How it stands, in the page's words: `investigating`, `resolved`, …
    pub state: String,
    /// How bad it is, in the page's words: `none`, `minor`, `major`, `critical`, …
    pub impact: String,
    /// What was said, as plain text.
    pub text: String,
    /// When it was said.
    pub at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// Where people can read it.
    pub url: Option<String>,
}
