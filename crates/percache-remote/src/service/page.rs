//! What a page of HTTP says is wrong, in a few words: servers, and proxies in front of them, answer people.

/// Characters that are shown of it.
const SHOWN: usize = 200;

/// Returns the title of a page, or all of a text that is none.
pub(crate) fn said(page: &str) -> String {
    let is_html = ["<html", "<!doctype html"].iter().any(|begin| starts_with(page.trim_start(), begin));
    match page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")) {
        Some((title, _)) if is_html => shown(title),
        None if is_html => String::new(),
        _ => shown(page),
    }
}

/// Returns whether it is about the certificate of the client. A proxy that wants one has no status of its own for that.
pub(crate) fn wants_certificate(said: &str) -> bool {
    said.to_ascii_lowercase().contains("ssl certificate") || said.to_ascii_lowercase().contains("client certificate")
}

fn starts_with(text: &str, begin: &str) -> bool {
    text.get(..begin.len()).is_some_and(|start| start.eq_ignore_ascii_case(begin))
}

/// Returns text as it may be shown on a terminal.
fn shown(text: &str) -> String {
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    printable.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_its_title_and_other_text_is_one_line() {
        for (page, is) in [
            (
                "<html>\r\n<head><title>400 No required SSL\n certificate was sent</title></head>",
                "400 No required SSL certificate was sent",
            ),
            ("\n<!DOCTYPE html><p>no title", ""),
            ("busy\u{1b}[2J\n\nnow", "busy [2J now"),
            ("AccessDenied: <title>x</title>", "AccessDenied: <title>x</title>"),
            ("", ""),
        ] {
            assert_eq!(said(page), is);
        }
        assert_eq!(said(&"x".repeat(1_000)).len(), SHOWN);
    }

    #[test]
    fn a_certificate_that_is_wanted_is_the_clients() {
        assert!(wants_certificate("400 No required SSL certificate was sent"));
        assert!(wants_certificate("400 The SSL certificate error"));
        assert!(!wants_certificate("400 Bad Request"));
    }
}
