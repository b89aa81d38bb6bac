// Has each parser read each model, and a wrong one, which it must refuse: node dtdl.mjs FOLDER_OF_THE_PARSERS MODEL…
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const { createParser, ModelParsingOption } = createRequire(join(folder, "/"))("@azure/dtdl-parser");
const packed = join(folder, "node_modules/@digicatapult/dtdl-parser/build/index.js");
const interop = await (await import(pathToFileURL(packed))).getInterop();

const parsers = {
    "@azure/dtdl-parser": async (models) =>
        Object.keys(await createParser(ModelParsingOption.PermitAnyTopLevelElement).parse(models.map((one) => JSON.stringify(one)))),
    "DTDLParser for .NET": async (models) => Object.keys(JSON.parse(interop.parse(JSON.stringify(models)))),
};
const wrong = {
    "@context": "dtmi:dtdl:context;2",
    "@id": "dtmi:twind:Wrong;1",
    "@type": "Interface",
    contents: [{ "@type": "Property", name: "office-fan", schema: "string" }],
};

let failed = false;
const check = (isRight, what) => {
    console.log(`${isRight ? "ok" : "FAILED"}: ${what}`);
    failed ||= !isRight;
};
for (const [name, parse] of Object.entries(parsers)) {
    for (const file of files) {
        const model = JSON.parse(readFileSync(file, "utf8"));
        const models = Array.isArray(model) ? model : [model];
        const outcome = await parse(models).catch((fault) => fault);
        const isRight = Array.isArray(outcome) && outcome.includes(models[0]["@id"]);
        check(isRight, `${name} takes ${file}`);
        if (!isRight) console.log(outcome.errors ?? outcome);
    }
    check((await parse([wrong]).catch((fault) => fault)) instanceof Error, `${name} refuses a wrong model`);
}
process.exit(failed ? 1 : 0);
