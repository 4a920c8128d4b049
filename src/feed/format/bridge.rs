//! Posts that a bridge has carried from one network to another are the posts they were: one use, by one author.
//!
//! Recognised are Bridgy Fed between Bluesky and the fediverse, Mostr between Nostr and the fediverse, and whoever
//! else names the original as these do. A copy in the fediverse has the original in its own address
//! (`https://bsky.brid.gy/convert/ap/at://…`, `https://mostr.pub/objects/EVENT`); a copy on Bluesky has it in
//! `bridgyOriginalUrl`, or `fediverseId` where an author posts to both; a copy on Nostr in a `proxy` tag (NIP-48,
//! <https://github.com/nostr-protocol/nips/blob/master/48.md>). Nothing is asked over the network, and what a copy
//! claims is believed: a liar can only make his own post one with another's, which takes it out of the count.
//!
//! The web address of a post of Mastodon is turned into its `uri`, as far as that can be told from it.

use std::borrow::Cow;

/// Where a post was written, as its own network would say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Original<'a> {
    /// Its id there.
    pub(super) id: Cow<'a, str>,
    /// Its author there, where the address tells.
    pub(super) author: Option<Cow<'a, str>>,
}

/// The original of a status, if a bridge made it: told from its address.
pub(super) fn of_copy(uri: &str) -> Option<Original<'_>> {
    let (host, path) = host_and_path(uri)?;
    match host {
        "bsky.brid.gy" => at_uri(path.strip_prefix("convert/ap/")?),
        "mostr.pub" => Some(Original {
            id: nostr(path.strip_prefix("objects/")?)?,
            author: None,
        }),
        _ => None,
    }
}

/// The author behind an account that a bridge keeps for somebody on another network.
pub(super) fn author_of_account(url: &str) -> Option<Cow<'_, str>> {
    match host_and_path(url)? {
        ("mostr.pub", path) => nostr(path.strip_prefix("users/")?),
        _ => None,
    }
}

/// What an address that somebody calls the original stands for; one of no known form stands for itself.
pub(super) fn original(address: &str) -> Original<'_> {
    at_uri(address)
        .or_else(|| of_copy(address))
        .or_else(|| of_mastodon(address))
        .unwrap_or(Original {
            id: Cow::Borrowed(address),
            author: None,
        })
}

/// The one `uri` of a status: servers of late number their accounts in it (`/ap/users/7/statuses/9`), and the web
/// address `url` has the name, as everybody who links to it sees it.
pub(super) fn uri_of_status<'a>(uri: &str, url: &'a str) -> Option<Cow<'a, str>> {
    let (host, path) = host_and_path(uri)?;
    let (_, status) = path.strip_prefix("ap/users/")?.split_once("/statuses/")?;
    let named = of_mastodon(url)?;
    let is_same = host_and_path(url)?.0 == host && url.ends_with(&["/", status].concat());
    is_same.then_some(named.id)
}

/// `at://DID/app.bsky.feed.post/RKEY`.
fn at_uri(uri: &str) -> Option<Original<'_>> {
    let (did, _) = uri.strip_prefix("at://")?.split_once('/')?;
    did.starts_with("did:").then_some(Original {
        id: Cow::Borrowed(uri),
        author: Some(Cow::Borrowed(did)),
    })
}

/// `https://HOST/@NAME/ID` and `https://HOST/users/NAME/statuses/ID`.
fn of_mastodon(address: &str) -> Option<Original<'_>> {
    let (host, path) = host_and_path(address)?;
    let parts: Vec<&str> = path.split('/').collect();
    let (name, id) = match parts[..] {
        [name, id] => (name.strip_prefix('@')?, id),
        ["users", name, "statuses", id] => (name, id),
        _ => return None,
    };
    // `@NAME@OTHER` is the page of another server's post.
    let is_native = !name.is_empty() && !name.contains('@');
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    (is_native && is_id).then(|| Original {
        id: Cow::Owned(["https://", host, "/users/", name, "/statuses/", id].concat()),
        author: Some(Cow::Owned([name, "@", host].concat())),
    })
}

/// An event id or a public key: 64 hexadecimal digits.
fn nostr(hex: &str) -> Option<Cow<'_, str>> {
    let is_hash = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| Cow::Owned(["nostr:", &hex.to_ascii_lowercase()].concat()))
}

fn host_and_path(address: &str) -> Option<(&str, &str)> {
    address.strip_prefix("https://")?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "aa00000000000000000000000000000000000000000000000000000000000000";

    fn told(address: &str) -> (String, Option<String>) {
        let original = original(address);
        (
            original.id.into_owned(),
            original.author.map(Cow::into_owned),
        )
    }

    #[test]
    fn every_address_of_a_post_leads_to_one_id_and_one_author() {
        let bluesky = "at://did:plc:abc/app.bsky.feed.post/3k";
        let of_bluesky = (bluesky.to_owned(), Some("did:plc:abc".to_owned()));
        assert_eq!(told(bluesky), of_bluesky);
        assert_eq!(
            told(&format!("https://bsky.brid.gy/convert/ap/{bluesky}")),
            of_bluesky
        );
        let mastodon = "https://town.example/users/ann/statuses/109";
        let of_mastodon = (mastodon.to_owned(), Some("ann@town.example".to_owned()));
        assert_eq!(told(mastodon), of_mastodon);
        assert_eq!(told("https://town.example/@ann/109"), of_mastodon);
        assert_eq!(
            told(&format!("https://mostr.pub/objects/{HEX}")),
            (format!("nostr:{HEX}"), None)
        );
    }

    #[test]
    fn an_address_of_no_known_form_stands_for_itself() {
        for address in [
            "https://blog.example/2022/down",
            "https://town.example/@ann@far.example/109",
            "https://town.example/@ann/about",
            "at://ann.example/app.bsky.feed.post/3k",
            "https://mostr.pub/objects/short",
            "https://bsky.brid.gy/convert/ap/did:plc:abc",
            "",
        ] {
            assert_eq!(told(address), (address.to_owned(), None), "{address}");
        }
    }

    #[test]
    fn only_what_a_bridge_made_is_a_copy() {
        assert_eq!(of_copy("https://town.example/users/ann/statuses/109"), None);
        assert_eq!(of_copy("at://did:plc:abc/app.bsky.feed.post/3k"), None);
        assert_eq!(
            of_copy("https://bsky.brid.gy.evil.example/convert/ap/at://did:plc:abc/x/3k"),
            None
        );
        assert_eq!(
            author_of_account(&format!("https://mostr.pub/users/{HEX}")).as_deref(),
            Some(&*format!("nostr:{HEX}"))
        );
        assert_eq!(author_of_account("https://town.example/users/ann"), None);
    }

    #[test]
    fn a_numbered_account_has_the_name_of_its_page() {
        let uri = "https://town.example/ap/users/7/statuses/109";
        assert_eq!(
            uri_of_status(uri, "https://town.example/@ann/109").as_deref(),
            Some("https://town.example/users/ann/statuses/109")
        );
        assert_eq!(uri_of_status(uri, "https://town.example/@ann/110"), None);
        assert_eq!(uri_of_status(uri, "https://far.example/@ann/109"), None);
    }
}
