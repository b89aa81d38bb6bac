//! What a bug's `find` matches: the tokens of one expression, one arm of a `match` or some statements.
//!
//! `$name` stands for any one identifier, everywhere the same one; `...` for any tokens, as few as possible. Everything
//! else stands for itself. Spaces, comments and trailing commas make no difference.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use std::collections::BTreeMap;

/// What the `$name`s of a pattern stand for.
pub(crate) type Names = BTreeMap<String, String>;

/// Tokens as they are compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Word(String),
    Other(String),
    Group(Delimiter, Vec<Tree>),
    /// `$name`
    Name(String),
    /// `...`
    Any,
}

/// Reads tokens, of a pattern or of the sources: there `$` and `...` do not occur.
pub(crate) fn trees(tokens: TokenStream) -> Vec<Tree> {
    let mut found = Vec::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        found.push(match token {
            TokenTree::Ident(word) => Tree::Word(word.to_string()),
            TokenTree::Literal(literal) => Tree::Other(literal.to_string()),
            TokenTree::Group(group) => {
                let mut inner = trees(group.stream());
                inner.pop_if(|last| *last == Tree::Other(",".to_owned()));
                Tree::Group(group.delimiter(), inner)
            }
            TokenTree::Punct(punct) if punct.as_char() == '$' => {
                Tree::Name(tokens.next().map(|name| name.to_string()).unwrap_or_default())
            }
            TokenTree::Punct(punct) => Tree::Other(punct.as_char().to_string()),
        });
        let dot = Tree::Other(".".to_owned());
        if found.ends_with(&[dot.clone(), dot.clone(), dot]) {
            found.truncate(found.len() - 3);
            found.push(Tree::Any);
        }
    }
    found
}

/// Is all of `tokens` what the pattern says? Then `names` has what its names stand for.
pub(crate) fn matches(pattern: &[Tree], tokens: &[Tree], names: &mut Names) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return tokens.is_empty() };
    if *first == Tree::Any {
        return (0..=tokens.len()).any(|skipped| {
            let mut tried = names.clone();
            let is_match = matches(rest, &tokens[skipped..], &mut tried);
            if is_match {
                *names = tried;
            }
            is_match
        });
    }
    let Some((token, after)) = tokens.split_first() else { return false };
    let is_same = match (first, token) {
        (Tree::Name(name), Tree::Word(word)) => {
            names.entry(name.clone()).or_insert_with(|| word.clone()) == word
        }
        (Tree::Group(outer, inner), Tree::Group(delimiter, content)) => {
            outer == delimiter && matches(inner, content, names)
        }
        _ => first == token,
    };
    is_same && matches(rest, after, names)
}

/// Writes the tokens of a plant: `replace` says what stands for a word.
///
/// # Errors
/// A `$name` that stands for nothing.
pub(crate) fn fill(
    tokens: TokenStream,
    names: &Names,
    replace: &dyn Fn(&str) -> Option<TokenStream>,
) -> Result<TokenStream, String> {
    let mut filled = TokenStream::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '$' => {
                let name = tokens.next().map(|name| name.to_string()).unwrap_or_default();
                let word = names
                    .get(&name)
                    .ok_or_else(|| format!("`plant` names ${name}, which `find` does not"))?;
                filled.extend([TokenTree::Ident(Ident::new(word, Span::call_site()))]);
            }
            TokenTree::Group(group) => {
                let inner = fill(group.stream(), names, replace)?;
                filled.extend([TokenTree::Group(Group::new(group.delimiter(), inner))]);
            }
            token => filled.extend(replace(&token.to_string()).unwrap_or_else(|| token.into())),
        }
    }
    Ok(filled)
}

/// The words that stand after a dot and are no calls: fields.
pub(crate) fn fields(trees: &[Tree]) -> Vec<&str> {
    let mut found = Vec::new();
    for (index, tree) in trees.iter().enumerate() {
        match tree {
            Tree::Group(_, inner) => found.extend(fields(inner)),
            Tree::Word(word) if index > 0 && trees[index - 1] == Tree::Other(".".to_owned()) => {
                let is_call = matches!(trees.get(index + 1), Some(Tree::Group(Delimiter::Parenthesis, _)));
                found.extend((!is_call).then_some(word.as_str()));
            }
            _ => {}
        }
    }
    found
}

/// A token of a pattern or of the sources, of which a name is like any word.
pub(crate) enum Word<'a> {
    Text(&'a str),
    Any,
    Bracket(Delimiter),
}

impl PartialEq for Word<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Word::Text(one), Word::Text(other)) => one == other,
            (Word::Any, Word::Text(_)) => true,
            (Word::Bracket(one), Word::Bracket(other)) => one == other,
            _ => false,
        }
    }
}

/// The tokens one after the other, for a comparison that does not ask for equality.
pub(crate) fn words<'a>(trees: &'a [Tree]) -> Vec<Word<'a>> {
    let of = |tree: &'a Tree| match tree {
        Tree::Word(text) | Tree::Other(text) => vec![Word::Text(text)],
        Tree::Name(_) => vec![Word::Any],
        Tree::Any => Vec::new(),
        Tree::Group(delimiter, inner) => {
            let mut found = words(inner);
            found.insert(0, Word::Bracket(*delimiter));
            found
        }
    };
    trees.iter().flat_map(of).collect()
}
