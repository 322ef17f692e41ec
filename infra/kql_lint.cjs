// Check KQL queries with Microsoft's own parser and binder, for infra/lint_queries.py:  node kql_lint.cjs PARSER
//
// PARSER is the folder of @kusto/language-service-next. Stdin: {"schema": {table: {column: type}}, "queries": {name:
// text}}. Stdout: {name: {"problems": ["line:column: …"], "columns": {name: type}}}. Beyond the binder's own errors, it
// rejects what Azure does not run in a log search alert rule (learn.microsoft.com/azure/azure-monitor/alerts:
// alerts-create-log-alert-rule, alerts-log-query), and functions of the current time: the rule's window sets the time.
"use strict";

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { runInThisContext } = require("node:vm");

const FORBIDDEN_FUNCTIONS = ["bag_unpack", "pivot", "narrow", "ingestion_time", "ago", "now"];

// The parser is C# compiled by Bridge.NET: it must run as a script in the global scope.
for (const file of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
  const filename = join(process.argv[2], file);
  runInThisContext(readFileSync(filename, "utf8"), { filename });
}
const { GlobalState, KustoCode, Symbols, Syntax } = globalThis.Kusto.Language;
const { FunctionCallExpression, SearchOperator, TakeOperator, UnionOperator } = Syntax.SyntaxKind;
const FORBIDDEN_OPERATORS = { [SearchOperator]: "search", [UnionOperator]: "union", [TakeOperator]: "take" };

function toArray(collection) {
  return Array.from({ length: collection.Count }, (_, index) => collection.getItem(index));
}

function globalsFor(schema) {
  const tables = Object.entries(schema).map(([table, columns]) => {
    const symbols = Object.entries(columns).map(
      ([column, type]) => new Symbols.ColumnSymbol(column, Symbols.ScalarTypes.GetSymbol(type)),
    );
    return new Symbols.TableSymbol.$ctor4(table, symbols);
  });
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", tables));
}

function forbiddenName(node) {
  const called = node.Kind === FunctionCallExpression && node.Name.SimpleName;
  return FORBIDDEN_FUNCTIONS.includes(called) ? `${called}()` : FORBIDDEN_OPERATORS[node.Kind];
}

function* walk(node) {
  yield node;
  for (let index = 0; index < node.ChildCount; index++) {
    const child = node.GetChild(index);
    if (child) yield* walk(child);
  }
}

function lint(text, globals, schema) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const found = toArray(code.GetDiagnostics()).map(({ Start, Message }) => [Start, Message]);
  const first = code.Syntax.GetFirstToken();
  if (!(first?.Text in schema)) found.push([first?.TextStart ?? 0, "an alert query must start with a table"]);
  for (const node of walk(code.Syntax)) {
    const name = forbiddenName(node);
    if (name) found.push([node.TextStart, `${name} is not allowed in an alert query`]);
  }
  if (/\bAggregatedValue\b/.test(text)) found.push([0, "Azure reserves the name AggregatedValue"]);
  const problems = found.map(([start, message]) => {
    const before = text.slice(0, start).split("\n");
    return `${before.length}:${before.at(-1).length + 1}: ${message}`;
  });
  const columns = code.ResultType?.Columns ? toArray(code.ResultType.Columns) : [];
  return { problems, columns: Object.fromEntries(columns.map((column) => [column.Name, column.Type.Name])) };
}

const { schema, queries } = JSON.parse(readFileSync(0, "utf8"));
const globals = globalsFor(schema);
const results = Object.entries(queries).map(([name, text]) => [name, lint(text, globals, schema)]);
console.log(JSON.stringify(Object.fromEntries(results)));
