//! From a bug to a change of the sources: the function is looked up by its path, the place in it by its syntax.
//!
//! Formatting, comments and the order of functions make no difference, nor does the file that a function stands in. A
//! bug whose place is gone says which function it looked for, and what is nearest there.

use super::pattern::{Names, Tree, fields, fill, matches, trees, words};
use super::sources::{Function, Sources};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, Block, Expr};

/// One bug. Its `item`, `find` and `plant` are explained where the bugs stand.
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    /// What an owner would say of it.
    pub(crate) says: &'static str,
    pub(crate) item: &'static str,
    pub(crate) find: &'static str,
    pub(crate) plant: &'static str,
}

/// So much of a place is shown.
const SHOWN_CHARS: usize = 160;

/// A piece of syntax that may be replaced.
struct Node {
    range: Range<usize>,
    tokens: TokenStream,
    /// An expression amid others, which needs parentheses.
    is_operand: bool,
}

/// A change of a file.
struct Edit {
    name: &'static str,
    range: Range<usize>,
    text: String,
}

/// The changed files, each with every bug in it.
///
/// # Errors
/// The bugs that have no place, each with what it looked for.
pub(crate) fn plant<'a>(
    sources: &Sources,
    bugs: impl Iterator<Item = &'a Bug>,
) -> Result<BTreeMap<PathBuf, String>, String> {
    let (mut edits, mut faults) = (BTreeMap::<&PathBuf, Vec<Edit>>::new(), Vec::new());
    for bug in bugs {
        match edit(sources, bug) {
            Ok((function, edit)) => edits.entry(&function.file).or_default().push(edit),
            Err(reason) => faults.push(format!("{}: {reason}", bug.name)),
        }
    }
    if !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    let changed = |(file, edits): (&PathBuf, Vec<Edit>)| {
        let text = sources.texts.get(file).cloned().unwrap_or_default();
        Ok((file.clone(), apply(text, edits)?))
    };
    edits.into_iter().map(changed).collect()
}

fn apply(mut text: String, mut edits: Vec<Edit>) -> Result<String, String> {
    edits.sort_by_key(|edit| edit.range.start);
    if let Some([first, second]) = edits.windows(2).find(|pair| pair[0].range.end > pair[1].range.start) {
        return Err(format!("{} and {} change the same place", first.name, second.name));
    }
    for edit in edits.into_iter().rev() {
        text.replace_range(edit.range, &edit.text);
    }
    Ok(text)
}

/// The function that a bug changes, and how.
fn edit<'a>(sources: &'a Sources, bug: &Bug) -> Result<(&'a Function, Edit), String> {
    let (find, plant) = (lex(bug.find)?, lex(bug.plant)?);
    let pattern = trees(find);
    let plant_trees = trees(plant.clone());
    let named = fields(&pattern).into_iter().chain(fields(&plant_trees));
    if let Some(field) = named.into_iter().find(|field| sources.is_private_field(field)) {
        return Err(format!("{field} is a private field: write ${field}, so that it may be renamed"));
    }
    let function = function(sources, bug.item, &pattern)?;
    let (node, names) = place(sources, function, &pattern)?;
    let planted = |word: &str| match word {
        "PLANTED" => {
            let name = bug.name;
            Some(quote!(crate::planted::is(#name)))
        }
        "FOUND" => Some(node.enclosed(node.tokens.clone())),
        _ => None,
    };
    let text = node.enclosed(fill(plant, &names, &planted)?).to_string();
    Ok((function, Edit { name: bug.name, range: node.range, text }))
}

fn lex(text: &str) -> Result<TokenStream, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

impl Node {
    /// Tokens in the place of this node, so that they bind as one.
    fn enclosed(&self, tokens: TokenStream) -> TokenStream {
        if self.is_operand {
            TokenTree::Group(Group::new(Delimiter::Parenthesis, tokens)).into()
        } else {
            tokens
        }
    }
}

/// The function that `item` names: by its name, if it is a method by its type, and by as many of its modules as tell it
/// from others.
fn function<'a>(sources: &'a Sources, item: &str, pattern: &[Tree]) -> Result<&'a Function, String> {
    let found: Vec<_> = sources.functions.iter().filter(|function| is_called(&function.path, item)).collect();
    match found[..] {
        [function] => Ok(function),
        [] => {
            let likeness = |function: &&Function| {
                let tail = function.path.rsplitn(3, "::").take(2).map(str::len).sum::<usize>() + "::".len();
                strsim::normalized_levenshtein(&function.path[function.path.len() - tail..], item)
            };
            let nearest = sources.functions.iter().map(|function| (likeness(&function), &function.path));
            let nearest = nearest.max_by(|(a, _), (b, _)| a.total_cmp(b)).map_or("", |(_, path)| path);
            let holders =
                sources.functions.iter().filter(|function| place(sources, function, pattern).is_ok());
            let holders: Vec<_> = holders.map(|function| function.path.as_str()).take(3).collect();
            let holders = if holders.is_empty() { "nowhere" } else { &holders.join(", ") };
            Err(format!("no function {item}; nearest is {nearest}; what it replaces stands in: {holders}"))
        }
        _ => {
            let paths: Vec<_> = found.iter().map(|function| function.path.as_str()).collect();
            Err(format!("{item} may be {}: name one of the modules", paths.join(" or ")))
        }
    }
}

/// Do the words of `item` occur in this order in the path, and are their last ones the same?
fn is_called(path: &str, item: &str) -> bool {
    let mut segments = path.rsplit("::").peekable();
    let mut words = item.rsplit("::");
    // The function, and the type if there is one, stand at the end without a gap.
    let is_type = |word: &str| word.starts_with(char::is_uppercase);
    let is_method = path.rsplit("::").nth(1).is_some_and(is_type);
    let tail = if is_method { 2 } else { 1 };
    (0..tail).all(|_| segments.next() == words.next())
        && words.all(|word| segments.any(|segment| segment == word))
}

/// The one place in a function that a pattern matches.
fn place(sources: &Sources, function: &Function, pattern: &[Tree]) -> Result<(Node, Names), String> {
    let has_statements = pattern.contains(&Tree::Other(";".to_owned()));
    let mut collector = Collector { nodes: Vec::new(), has_statements };
    collector.visit_block(&function.body);
    let mut nodes = collector.nodes;
    // Of what begins at one place the shortest; the same text as an expression rather than as a statement.
    nodes.sort_by_key(|node| (node.range.start, node.range.end, !node.is_operand));
    let mut found: Vec<(usize, Names)> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let mut names = Names::new();
        let is_new = found.last().is_none_or(|(last, _)| nodes[*last].range.start != node.range.start);
        if is_new && matches(pattern, &trees(node.tokens.clone()), &mut names) {
            found.push((index, names));
        }
    }
    let Function { path, file, .. } = function;
    match found.pop() {
        Some((index, names)) if found.is_empty() => Ok((nodes.swap_remove(index), names)),
        Some(_) => Err(format!("`find` stands {} times in {path}, {}", found.len() + 1, file.display())),
        None => {
            let text = sources.texts.get(file).map_or("", String::as_str);
            let nearest = nearest(&nodes, pattern).and_then(|node| text.get(node.range.clone()));
            let nearest = nearest.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            let nearest: String = nearest.chars().take(SHOWN_CHARS).collect();
            Err(format!("`find` does not stand in {path}, {}; nearest there is: {nearest}", file.display()))
        }
    }
}

/// The node with the fewest tokens to change, as a share of all.
fn nearest<'a>(nodes: &'a [Node], pattern: &[Tree]) -> Option<&'a Node> {
    let wanted = words(pattern);
    let distance = |node: &&Node| {
        let there = trees(node.tokens.clone());
        let there = words(&there);
        let changes = strsim::generic_levenshtein(&wanted, &there);
        changes as f64 / wanted.len().max(there.len()).max(1) as f64
    };
    let nearest = nodes.iter().map(|node| (distance(&node), node)).min_by(|(a, _), (b, _)| a.total_cmp(b));
    nearest.map(|(_, node)| node)
}

/// Collects the expressions and the arms, and if they are asked for the runs of statements, of which there are many more.
struct Collector {
    nodes: Vec<Node>,
    has_statements: bool,
}

impl Collector {
    fn push(&mut self, tokens: TokenStream, is_operand: bool) {
        self.nodes.push(Node { range: tokens.span().byte_range(), tokens, is_operand });
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        let stands_alone = matches!(
            expr,
            Expr::Let(_)
                | Expr::If(_)
                | Expr::Match(_)
                | Expr::Block(_)
                | Expr::Loop(_)
                | Expr::While(_)
                | Expr::ForLoop(_)
        );
        self.push(expr.to_token_stream(), !stands_alone);
        visit::visit_expr(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let Arm { pat, fat_arrow_token, body, .. } = arm;
        self.push(quote!(#pat #fat_arrow_token #body), false);
        visit::visit_arm(self, arm);
    }

    fn visit_block(&mut self, block: &'ast Block) {
        let count = if self.has_statements { block.stmts.len() } else { 0 };
        for first in 0..count {
            for end in first + 1..=count {
                let statements = &block.stmts[first..end];
                self.push(quote!(#(#statements)*), false);
            }
        }
        visit::visit_block(self, block);
    }
}
