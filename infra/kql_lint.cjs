// Microsoft's own parser and binder for KQL, for infra/lint_queries.py:  node kql_lint.cjs PARSER
//
// PARSER is the folder of @kusto/language-service-next. On stdin {"schema": {table: {column: type}}, "queries": {name:
// text}}, on stdout {name: {"problems": ["line:column: …"], "columns": {name: type}}}. Beyond what the binder knows it
// refuses what Azure does not run in a log search alert rule (learn.microsoft.com/azure/azure-monitor/alerts:
// alerts-create-log-alert-rule, alerts-log-query) and what tells the time, which is the business of the rule's window.
"use strict";

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { runInThisContext } = require("node:vm");

const FUNCTIONS = ["bag_unpack", "pivot", "narrow", "ingestion_time", "ago", "now"];

// The parser is C# by way of Bridge.NET: it wants to be a script in the global scope.
for (const file of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
  const filename = join(process.argv[2], file);
  runInThisContext(readFileSync(filename, "utf8"), { filename });
}
const { GlobalState, KustoCode, Symbols, Syntax } = globalThis.Kusto.Language;
const { FunctionCallExpression, SearchOperator, TakeOperator, UnionOperator } = Syntax.SyntaxKind;
const OPERATORS = { [SearchOperator]: "search", [UnionOperator]: "union", [TakeOperator]: "take" };

function list(many) {
  return Array.from({ length: many.Count }, (_, index) => many.getItem(index));
}

function workspace(schema) {
  const tables = Object.entries(schema).map(([table, columns]) => {
    const symbols = Object.entries(columns).map(
      ([column, type]) => new Symbols.ColumnSymbol(column, Symbols.ScalarTypes.GetSymbol(type)),
    );
    return new Symbols.TableSymbol.$ctor4(table, symbols);
  });
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", tables));
}

function refused(node) {
  const called = node.Kind === FunctionCallExpression && node.Name.SimpleName;
  return FUNCTIONS.includes(called) ? `${called}()` : OPERATORS[node.Kind];
}

function* nodes(node) {
  yield node;
  for (let index = 0; index < node.ChildCount; index++) {
    const child = node.GetChild(index);
    if (child) yield* nodes(child);
  }
}

function lint(text, globals, schema) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const found = list(code.GetDiagnostics()).map(({ Start, Message }) => [Start, Message]);
  const first = code.Syntax.GetFirstToken();
  if (!(first?.Text in schema)) found.push([first?.TextStart ?? 0, "an alert's query starts with a table"]);
  for (const node of nodes(code.Syntax)) {
    const name = refused(node);
    if (name) found.push([node.TextStart, `${name} has no place in an alert's query`]);
  }
  if (/\bAggregatedValue\b/.test(text)) found.push([0, "AggregatedValue is a name that Azure keeps for itself"]);
  const problems = found.map(([start, message]) => {
    const before = text.slice(0, start).split("\n");
    return `${before.length}:${before.at(-1).length + 1}: ${message}`;
  });
  const columns = code.ResultType?.Columns ? list(code.ResultType.Columns) : [];
  return { problems, columns: Object.fromEntries(columns.map((column) => [column.Name, column.Type.Name])) };
}

const { schema, queries } = JSON.parse(readFileSync(0, "utf8"));
const globals = workspace(schema);
const linted = Object.entries(queries).map(([name, text]) => [name, lint(text, globals, schema)]);
console.log(JSON.stringify(Object.fromEntries(linted)));
