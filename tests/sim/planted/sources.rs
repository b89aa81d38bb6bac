//! The functions of twind's crates, as syntax trees, each under its full path.
//!
//! They are found as the compiler finds them: from the root of a crate through its `mod` declarations. Which file a
//! function stands in is therefore nobody's concern. Deliberately absent: tests, and what macros make.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::{Attribute, Block, Fields, ImplItem, Item, TraitItem, Type, Visibility};

/// A function or method that has a body.
pub(crate) struct Function {
    /// Crate, modules, the type or trait of a method, name: `twind_core::twin::sync::Sync::fetch`.
    pub(crate) path: String,
    pub(crate) file: PathBuf,
    pub(crate) body: Block,
}

/// What was read of the crates.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) functions: Vec<Function>,
    pub(crate) texts: BTreeMap<PathBuf, String>,
    private: BTreeSet<String>,
    public: BTreeSet<String>,
}

/// How a file is read.
pub(crate) type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

impl Sources {
    /// Reads a crate from its root file.
    pub(crate) fn add_crate(&mut self, name: &str, root: &Path, read: Read<'_>) -> Result<(), String> {
        self.add_file(name, root, root.parent().unwrap_or(root), read)
    }

    /// Is there a private field of this name, and no public one?
    pub(crate) fn is_private_field(&self, name: &str) -> bool {
        self.private.contains(name) && !self.public.contains(name)
    }

    /// Reads a file of a crate. The files of its modules are below `folder`.
    fn add_file(&mut self, module: &str, file: &Path, folder: &Path, read: Read<'_>) -> Result<(), String> {
        let text = read(file).ok_or_else(|| format!("{} cannot be read", file.display()))?;
        let parsed = syn::parse_file(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        self.texts.insert(file.to_owned(), text);
        self.add_items(module, (file, folder), parsed.items, read)
    }

    fn add_items(
        &mut self,
        module: &str,
        (file, folder): (&Path, &Path),
        items: Vec<Item>,
        read: Read<'_>,
    ) -> Result<(), String> {
        for item in items {
            match item {
                Item::Fn(function) => {
                    self.add(format!("{module}::{}", function.sig.ident), file, *function.block);
                }
                Item::Impl(block) => {
                    let of = format!("{module}::{}", type_name(&block.self_ty));
                    for item in block.items {
                        if let ImplItem::Fn(method) = item {
                            self.add(format!("{of}::{}", method.sig.ident), file, method.block);
                        }
                    }
                }
                Item::Trait(block) => {
                    let of = format!("{module}::{}", block.ident);
                    for item in block.items {
                        if let TraitItem::Fn(method) = item
                            && let Some(body) = method.default
                        {
                            self.add(format!("{of}::{}", method.sig.ident), file, body);
                        }
                    }
                }
                Item::Struct(definition) => self.add_fields(&definition.fields),
                Item::Mod(inner) if !is_for_tests(&inner.attrs) => {
                    let (name, below) =
                        (format!("{module}::{}", inner.ident), folder.join(inner.ident.to_string()));
                    match inner.content {
                        Some((_, items)) => self.add_items(&name, (file, &below), items, read)?,
                        None => {
                            let beside = file.parent().unwrap_or(file);
                            let named = path_attribute(&inner.attrs).map(|path| beside.join(path));
                            let usual = [below.with_extension("rs"), below.join("mod.rs")];
                            let found = named.into_iter().chain(usual).find(|file| read(file).is_some());
                            let found = found.ok_or_else(|| format!("module {name} has no file"))?;
                            self.add_file(&name, &found, &below, read)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, path: String, file: &Path, body: Block) {
        self.functions.push(Function { path, file: file.to_owned(), body });
    }

    fn add_fields(&mut self, fields: &Fields) {
        for field in fields {
            let names =
                if matches!(field.vis, Visibility::Public(_)) { &mut self.public } else { &mut self.private };
            names.extend(field.ident.as_ref().map(ToString::to_string));
        }
    }
}

fn type_name(of: &Type) -> String {
    match of {
        Type::Path(of) => of.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default(),
        _ => "_".to_owned(),
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// The file that `#[path = "…"]` names.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let value = &attribute.meta.require_name_value().ok()?.value;
    match value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
        _ => None,
    }
}
