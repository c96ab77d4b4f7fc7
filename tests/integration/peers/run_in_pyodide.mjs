// Runs the program of a file in Pyodide, which is Python for browsers; here under node.
// Arguments: the program, then folders that Python imports from.
import { readFile } from "node:fs/promises";
import { loadPyodide } from "pyodide";

const [program, ...folders] = process.argv.slice(2);
const python = await loadPyodide();
for (const [index, folder] of folders.entries()) {
  const place = `/packages${index}`;
  python.FS.mkdir(place);
  python.mountNodeFS(place, folder);
  python.runPython(`import sys; sys.path.insert(${index}, '${place}')`);
}
python.runPython("import sys; sys.stdout.reconfigure(line_buffering=True)");
try {
  await python.runPythonAsync(await readFile(program, "utf8"));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
// A socket that the program left open would keep node running.
process.exit(0);
