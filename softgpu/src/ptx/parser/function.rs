//! Entries and functions: their heads, and what stands in their bodies besides instructions.

use super::Parser;
use crate::error::LoadError;
use crate::ptx::ast::{Function, SourceLoc, Space, Statement, Type, Variable};
use crate::ptx::lexer::Kind;

const DEEPEST_SCOPE: u32 = 1000;
/// Registers that one `%r<N>` may declare.
const MOST_REGISTERS: u32 = 1 << 20;

impl Parser<'_> {
    /// Everything behind `.entry` or `.func`.
    pub fn function(&mut self, is_entry: bool, is_extern: bool) -> Result<Function, LoadError> {
        let returns = if !is_entry && self.is("(") { self.parameters()? } else { Vec::new() };
        let line = self.line();
        let name = self.word("the name of a function")?.to_owned();
        let params = if self.is("(") { self.parameters()? } else { Vec::new() };
        let mut function = Function {
            name,
            is_entry,
            is_extern,
            returns,
            params,
            max_threads: None,
            required_threads: None,
            min_blocks: None,
            max_registers: None,
            cluster: None,
            body: None,
            line,
        };
        while self.peek().kind == Kind::Dot {
            self.head_directive(&mut function)?;
        }
        if !self.eat(";") {
            function.body = Some(self.body()?);
        }
        Ok(function)
    }

    /// `(a, b)` or `()`.
    fn parameters(&mut self) -> Result<Vec<Variable>, LoadError> {
        self.expect("(")?;
        let mut all = Vec::new();
        if self.eat(")") {
            return Ok(all);
        }
        loop {
            all.push(self.parameter()?);
            if !self.eat(",") {
                self.expect(")")?;
                return Ok(all);
            }
        }
    }

    /// The directives between parameters and body that say how the function may be launched.
    fn head_directive(&mut self, function: &mut Function) -> Result<(), LoadError> {
        let token = self.peek();
        self.at += 1;
        match token.text {
            ".maxntid" => {
                let threads = self.extents()?;
                let product =
                    threads.iter().try_fold(1u32, |product, extent| product.checked_mul(*extent));
                let product = product.ok_or_else(|| {
                    LoadError::invalid(
                        token.line,
                        "`.maxntid` allows more threads than 32 bits can count",
                    )
                })?;
                function.max_threads = Some(product);
            }
            ".reqntid" => function.required_threads = Some(self.extents()?),
            ".reqnctapercluster" => function.cluster = Some(self.extents()?),
            ".explicitcluster" => {
                function.cluster.get_or_insert([0; 3]);
            }
            ".minnctapersm" => function.min_blocks = Some(self.small("a number of blocks")?),
            ".maxnreg" => function.max_registers = Some(self.small("a number of registers")?),
            // Bounds on what the compiler behind PTX may choose; nothing to keep for execution.
            ".maxnctapersm" | ".maxclusterrank" | ".abi_preserve" | ".abi_preserve_control" => {
                self.small("a number")?;
            }
            ".noreturn" => {}
            ".pragma" => self.pragma()?,
            ".blocksareclusters" => {
                return Err(self.unsupported(token.text, "this device has no clusters of blocks"));
            }
            _ => {
                self.at -= 1;
                return Err(self.expected("`{`, `;` or a directive of a function's head"));
            }
        }
        Ok(())
    }

    /// `nx`, `nx, ny` or `nx, ny, nz`; missing ones are 1.
    fn extents(&mut self) -> Result<[u32; 3], LoadError> {
        let mut extents = [1; 3];
        for (index, extent) in extents.iter_mut().enumerate() {
            if index > 0 && !self.eat(",") {
                break;
            }
            *extent = self.small("an extent")?;
        }
        Ok(extents)
    }

    fn body(&mut self) -> Result<Vec<Statement>, LoadError> {
        let opened = self.line();
        self.expect("{")?;
        let mut statements = Vec::new();
        let mut depth = 0u32;
        let mut source = None;
        loop {
            let token = self.peek();
            match (token.kind, token.text) {
                (Kind::Sign, "{") => {
                    self.at += 1;
                    depth += 1;
                    if depth > DEEPEST_SCOPE {
                        return Err(LoadError::syntax(
                            token.line,
                            "expected fewer scopes inside each other",
                        ));
                    }
                    statements.push(Statement::Open);
                }
                (Kind::Sign, "}") => {
                    self.at += 1;
                    if depth == 0 {
                        return Ok(statements);
                    }
                    depth -= 1;
                    statements.push(Statement::Close);
                }
                (Kind::Dot, ".loc") => source = self.location()?,
                (Kind::Dot, _) => self.body_directive(&mut statements)?,
                (Kind::Word, _) if self.is_at(1, ":") => self.label(&mut statements)?,
                (Kind::Word, _) | (Kind::Sign, "@") => {
                    statements.push(Statement::Instruction(self.instruction(source)?));
                }
                (Kind::End, _) => {
                    return Err(
                        self.expected(&format!("the `}}` of the body opened in line {opened}"))
                    );
                }
                _ => return Err(self.expected("an instruction, a label, a directive or a brace")),
            }
        }
    }

    fn body_directive(&mut self, statements: &mut Vec<Statement>) -> Result<(), LoadError> {
        let word = self.peek().text;
        self.at += 1;
        let space = match word {
            ".reg" => return self.registers(statements),
            ".pragma" => return self.pragma(),
            ".shared" => Space::Shared,
            ".local" => Space::Local,
            ".param" => Space::Param,
            ".global" => Space::Global,
            ".const" => Space::Const,
            _ => {
                self.at -= 1;
                return Err(self.expected("a directive of a function's body"));
            }
        };
        statements.extend(self.variables(space, false)?.into_iter().map(Statement::Variable));
        Ok(())
    }

    /// `.b32 %r<10>, q;` behind `.reg`.
    fn registers(&mut self, statements: &mut Vec<Statement>) -> Result<(), LoadError> {
        let token = self.peek();
        if matches!(token.text, ".v2" | ".v4") {
            return Err(self.unsupported(".reg", "vector registers"));
        }
        let ty = token.text.strip_prefix('.').and_then(Type::from_name);
        let ty = ty.ok_or_else(|| self.expected("the type of a register"))?;
        self.at += 1;
        loop {
            let line = self.line();
            let name = self.word("the name of a register")?.to_owned();
            let mut count = None;
            if self.eat("<") {
                let number = self.small("a number of registers")?;
                self.expect(">")?;
                if number > MOST_REGISTERS {
                    return Err(LoadError::invalid(
                        line,
                        format!("{number} registers of one name"),
                    ));
                }
                count = Some(number);
            }
            statements.push(Statement::Register { name, count, ty, line });
            if !self.eat(",") {
                return self.expect(";");
            }
        }
    }

    /// `name:`, with a list of branch targets or a prototype where one follows.
    fn label(&mut self, statements: &mut Vec<Statement>) -> Result<(), LoadError> {
        let line = self.line();
        let name = self.word("a label")?.to_owned();
        self.expect(":")?;
        if self.eat_dot(".branchtargets") {
            let mut targets = Vec::new();
            loop {
                targets.push(self.word("a label")?.to_owned());
                if !self.eat(",") {
                    break;
                }
            }
            statements.push(Statement::BranchTargets { name, targets, line });
            return self.expect(";");
        }
        if self.eat_dot(".callprototype") {
            let statement = self.prototype(name, line)?;
            statements.push(statement);
            return self.expect(";");
        }
        if self.peek().text == ".calltargets" {
            return Err(self.unsupported(".calltargets", "calls through a list of functions"));
        }
        statements.push(Statement::Label { name, line });
        Ok(())
    }

    /// `(.param .b32 _) _ (.param .b64 _) .noreturn` behind `.callprototype`.
    fn prototype(&mut self, name: String, line: u32) -> Result<Statement, LoadError> {
        let returns = if self.is("(") { self.parameters()? } else { Vec::new() };
        if self.word("`_`")? != "_" {
            self.at -= 1;
            return Err(self.expected("`_`"));
        }
        let params = if self.is("(") { self.parameters()? } else { Vec::new() };
        while self.peek().kind == Kind::Dot {
            if self.eat_dot(".noreturn") {
                continue;
            }
            if !self.eat_dot(".abi_preserve") && !self.eat_dot(".abi_preserve_control") {
                return Err(self.expected("`;`"));
            }
            self.small("a number")?;
        }
        Ok(Statement::CallPrototype { name, returns, params, line })
    }

    /// `.loc 1 39 3`, perhaps with `, function_name label+4, inlined_at 1 13 3`. The place inlined
    /// into is read and dropped.
    fn location(&mut self) -> Result<Option<SourceLoc>, LoadError> {
        self.at += 1;
        let place = self.place()?;
        if self.eat(",") {
            if self.word("`function_name`")? != "function_name" {
                self.at -= 1;
                return Err(self.expected("`function_name`"));
            }
            match self.peek().kind {
                Kind::Word | Kind::Dot => self.at += 1,
                _ => return Err(self.expected("the label of a name")),
            }
            self.offset()?;
            self.expect(",")?;
            if self.word("`inlined_at`")? != "inlined_at" {
                self.at -= 1;
                return Err(self.expected("`inlined_at`"));
            }
            self.place()?;
        }
        Ok(Some(place).filter(|place| place.line > 0))
    }

    fn place(&mut self) -> Result<SourceLoc, LoadError> {
        let file = self.small("the number of a file")?;
        let line = self.small("a line")?;
        Ok(SourceLoc { file, line, column: self.small("a column")? })
    }
}
