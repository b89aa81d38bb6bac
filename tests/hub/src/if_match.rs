//! The `If-Match` header.

use crate::service_side::Precondition;

/// Reads the header: `*`, `"*"`, or etags in double quotes, weak (`W/`) or not, separated by commas. Unquoted text is not
/// an etag and, as on the real hub, demands nothing.
pub(crate) fn parse(header: Option<&str>) -> Precondition {
    let Some(header) = header else { return Precondition::None };
    let mut etags = Vec::new();
    for item in header.split(',').map(str::trim) {
        let bare = item.strip_prefix("W/").unwrap_or(item);
        match bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some("*") => return Precondition::Any,
            Some(etag) => etags.push(etag.to_owned()),
            None => {}
        }
    }
    if etags.is_empty() { Precondition::Any } else { Precondition::Etags(etags) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_quotes_weak_etags_and_lists_are_read() {
        assert_eq!(parse(None), Precondition::None);
        for any in ["*", "\"*\"", "AAAAAAAAAAE="] {
            assert_eq!(parse(Some(any)), Precondition::Any, "{any}");
        }
        let one = Precondition::Etags(vec!["AAAAAAAAAAE=".to_owned()]);
        assert_eq!(parse(Some("\"AAAAAAAAAAE=\"")), one);
        assert_eq!(parse(Some("W/\"AAAAAAAAAAE=\"")), one);
        assert_eq!(parse(Some("\"a\", W/\"b\"")), Precondition::Etags(vec!["a".to_owned(), "b".to_owned()]));
    }
}
