//! Directives of module scope (PTX ISA, "Directives").

use super::Parser;
use crate::error::LoadError;
use crate::ptx::ast::{Module, Space};
use crate::ptx::lexer::Kind;

/// `.visible`, `.extern`, `.weak` and `.common` in front of a declaration.
#[derive(Clone, Copy, Default)]
struct Linkage {
    is_extern: bool,
    any: bool,
}

impl Parser<'_> {
    pub fn module(mut self) -> Result<Module, LoadError> {
        let mut module = Module { address_size: 64, ..Module::default() };
        self.version(&mut module)?;
        while self.peek().kind != Kind::End {
            let linkage = self.linkage();
            self.directive(&mut module, linkage)?;
        }
        if module.targets.is_empty() {
            return Err(self.expected("`.target` somewhere in the module"));
        }
        Ok(module)
    }

    fn version(&mut self, module: &mut Module) -> Result<(), LoadError> {
        if !self.eat_dot(".version") {
            return Err(self.expected("`.version` as the first directive"));
        }
        let text = self.peek().text;
        let split = text.split_once('.').and_then(|(major, minor)| {
            let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            let parse = |part: &str| if digits(part) { part.parse().ok() } else { None };
            Some((parse(major)?, parse(minor)?))
        });
        module.version = split.ok_or_else(|| self.expected("a version such as `9.0`"))?;
        self.at += 1;
        Ok(())
    }

    fn linkage(&mut self) -> Linkage {
        let mut linkage = Linkage::default();
        loop {
            let is_extern = self.eat_dot(".extern");
            if !is_extern && ![".visible", ".weak", ".common"].iter().any(|word| self.eat_dot(word))
            {
                return linkage;
            }
            linkage.any = true;
            linkage.is_extern |= is_extern;
        }
    }

    fn directive(&mut self, module: &mut Module, linkage: Linkage) -> Result<(), LoadError> {
        let token = self.peek();
        if token.kind != Kind::Dot {
            return Err(self.expected("a directive"));
        }
        let space = match token.text {
            ".entry" | ".func" => {
                self.at += 1;
                module.functions.push(self.function(token.text == ".entry", linkage.is_extern)?);
                return Ok(());
            }
            ".global" => Some(Space::Global),
            ".const" => Some(Space::Const),
            ".shared" => Some(Space::Shared),
            ".tex" => return Err(self.unsupported(".tex", "this device has no textures")),
            _ => None,
        };
        if let Some(space) = space {
            self.at += 1;
            module.variables.extend(self.variables(space, linkage.is_extern)?);
            return Ok(());
        }
        if linkage.any {
            return Err(self.expected("`.entry`, `.func` or a state space behind the linkage"));
        }
        self.at += 1;
        match token.text {
            ".target" => self.target(module),
            ".address_size" => self.address_size(module),
            ".file" => {
                let file = self.file()?;
                module.files.push(file);
                Ok(())
            }
            ".section" => self.section(),
            ".pragma" => self.pragma(),
            ".alias" => {
                let new = self.word("the new name of a function")?.to_owned();
                self.expect(",")?;
                module.aliases.push((new, self.word("the name of a function")?.to_owned()));
                self.expect(";")
            }
            _ => {
                self.at -= 1;
                Err(self.expected("a directive of module scope"))
            }
        }
    }

    /// `sm_90a`, `sm_100, debug`, `sm_80, texmode_independent`.
    fn target(&mut self, module: &mut Module) -> Result<(), LoadError> {
        loop {
            module.targets.push(self.word("a target such as `sm_80`")?.to_owned());
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    fn address_size(&mut self, module: &mut Module) -> Result<(), LoadError> {
        let line = self.line();
        module.address_size = self.small("an address size")?;
        if module.address_size == 64 {
            return Ok(());
        }
        Err(LoadError::Unsupported {
            line,
            instruction: format!(".address_size {}", module.address_size),
            what: "this device has addresses of 64 bits".to_owned(),
        })
    }

    /// `1 "name"`, perhaps with a time stamp and a size, which nothing needs.
    pub fn file(&mut self) -> Result<(u32, String), LoadError> {
        let index = self.small("the number of a file")?;
        let name = self.peek();
        if name.kind != Kind::Text {
            return Err(self.expected("the name of a file in quotes"));
        }
        self.at += 1;
        if self.eat(",") {
            self.constant()?;
            self.expect(",")?;
            self.constant()?;
        }
        Ok((index, name.text.to_owned()))
    }

    /// `"nounroll";`: hints to the compiler behind PTX; they change no result.
    pub fn pragma(&mut self) -> Result<(), LoadError> {
        loop {
            if self.peek().kind != Kind::Text {
                return Err(self.expected("a pragma in quotes"));
            }
            self.at += 1;
            if !self.eat(",") {
                return self.expect(";");
            }
        }
    }

    /// `.debug_info { .b8 1, 2 … }`: DWARF, data that only a debugger reads.
    fn section(&mut self) -> Result<(), LoadError> {
        match self.peek().kind {
            Kind::Dot | Kind::Word => self.at += 1,
            _ => return Err(self.expected("the name of a section")),
        }
        self.expect("{")?;
        while !self.eat("}") {
            if self.peek().kind == Kind::Word && self.is_at(1, ":") {
                self.at += 2;
                continue;
            }
            if ![".b8", ".b16", ".b32", ".b64"].iter().any(|word| self.eat_dot(word)) {
                return Err(self.expected("data, a label or the `}` of the section"));
            }
            self.section_value()?;
            while self.eat(",") {
                self.section_value()?;
            }
        }
        Ok(())
    }

    /// `12`, `-1`, `$L__tmp1`, `.debug_abbrev`, `$L__end-$L__start`, `label+4`.
    fn section_value(&mut self) -> Result<(), LoadError> {
        let _sign = self.eat("-");
        loop {
            if !matches!(self.peek().kind, Kind::Number | Kind::Word | Kind::Dot) {
                return Err(self.expected("a number or a label"));
            }
            self.at += 1;
            if !self.eat("-") && !self.eat("+") {
                return Ok(());
            }
        }
    }
}
