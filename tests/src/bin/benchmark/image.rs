//! What a program takes of flash and RAM, from its ELF file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::elf::{SHF_ALLOC, SHF_WRITE};
use object::{File, Object, ObjectSection, SectionFlags};

/// Bytes of flash and of static RAM, and what compiled the program.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// All that is programmed: code, constants, initial values of statics.
    pub(crate) flash: u64,
    /// All statics; the stack, which some start-up crates make a section, is none.
    pub(crate) statics: u64,
    /// Name and version.
    pub(crate) compiler: String,
}

impl Image {
    /// Reads the table of sections.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let file = File::parse(&*bytes).with_context(|| path.display().to_string())?;
        let mut image = Self { flash: 0, statics: 0, compiler: compiler(&file)? };
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            let has = |flag| sh_flags & flag == flag;
            if !has(SHF_ALLOC) || matches!(section.name(), Ok(".stack" | ".heap")) {
                continue;
            }
            let is_programmed = section.file_range().is_some();
            image.flash += if is_programmed { section.size() } else { 0 };
            image.statics += if has(SHF_WRITE) || !is_programmed { section.size() } else { 0 };
        }
        Ok(image)
    }
}

fn compiler(file: &File<'_>) -> Result<String> {
    let comments = file.section_by_name(".comment").context("no section .comment")?.data()?;
    let comments = String::from_utf8_lossy(comments);
    let compiler = comments.split('\0').find_map(|comment| comment.strip_prefix("rustc version "));
    Ok(format!("rustc {}", compiler.context("the compiler left no comment")?))
}
