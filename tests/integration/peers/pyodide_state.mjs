// Runs the program of a file in Pyodide, which is Python for browsers; here under node.
// Arguments: the repository, a folder with pure Python packages, the program.
import { readFile } from "node:fs/promises";
import { loadPyodide } from "pyodide";

const [repository, packages, program] = process.argv.slice(2);
const python = await loadPyodide();
for (const [place, folder] of [["/repository", repository], ["/packages", packages]]) {
  python.FS.mkdir(place);
  python.mountNodeFS(place, folder);
}
python.runPython("import sys; sys.path[:0] = ['/repository', '/packages']");
await python.runPythonAsync(await readFile(program, "utf8"));
