import { Ajv2020, type AnySchema, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";

/** A description of an API in OpenAPI 3.1, as far as tests read it. */
export type ApiDocument = {
  paths: Record<string, Record<string, OperationObject>>;
  components: Record<string, Record<string, unknown>>;
};

type Content = Record<string, { examples?: Record<string, { value?: unknown; $ref?: string }> }>;
type OperationObject = {
  operationId: string;
  security: Record<string, string[]>[];
  parameters?: { in: string; name: string; required?: boolean; schema: { type?: string } }[];
  requestBody?: { content: Content };
  responses: Record<string, { $ref?: string }>;
};
type ResponseObject = { headers?: Record<string, { $ref?: string }>; content?: Content };

/** An operation of a document, and where it is found there. */
export type Operation = { id: string; method: string; path: string; pointer: string } & OperationObject;

/** An answer as it came over the wire. */
export type Answer = { status: number; headers: Headers; text: string };

const METHODS = ["get", "put", "post", "patch", "delete"];
/** Keywords of OpenAPI, which say nothing of what is valid, and the member in which references find their schemas. */
const ANNOTATIONS = ["example", "discriminator", "components"];

/** Checks requests and answers against the document that describes them. */
export class Contract {
  readonly operations: readonly Operation[];
  readonly #document: ApiDocument;
  readonly #ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictTypes: false });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: ApiDocument) {
    this.#document = document;
    formats.default(this.#ajv);
    this.#ajv.addVocabulary(ANNOTATIONS);
    this.operations = Object.entries(document.paths).flatMap(([path, item]) =>
      METHODS.flatMap((method) => {
        const operation = item[method];
        const pointer = `/paths/${token(path)}/${method}`;
        return operation
          ? [{ ...operation, id: operation.operationId, method: method.toUpperCase(), path, pointer }]
          : [];
      }),
    );
  }

  /** The schemas among the components. */
  get schemas(): Record<string, unknown> {
    return this.#document.components.schemas ?? {};
  }

  /** The operation of this id. */
  operation(id: string): Operation {
    const found = this.operations.find((operation) => operation.id === id);
    if (!found) throw new Error(`The document has no operation ${id}.`);
    return found;
  }

  /** The parts of this answer that the document does not describe. */
  violations(operation: Operation, { status, headers, text }: Answer): string[] {
    const found = this.#response(operation, status);
    if (!found) return [`status ${status} is not described`];
    const { response, pointer } = found;
    const type = headers.get("content-type")?.split(";", 1)[0] ?? null;
    const types = Object.keys(response.content ?? {});
    if (types.length === 0)
      return [...this.#headerFaults(response, headers), ...(text === "" ? [] : ["there is a body"])];
    if (type === null || !types.includes(type)) return [`content-type is ${type}, not ${types.join(" or ")}`];
    const schema = `${pointer}/content/${token(type)}/schema`;
    const bodies = type === "application/jsonl" ? text.split("\n").slice(0, -1) : [text];
    return [
      ...this.#headerFaults(response, headers),
      ...bodies.flatMap((body) => this.#faults(schema, type.includes("json") ? json(body) : body)),
    ];
  }

  /** The parts of this request body that the document does not describe. */
  requestViolations(operation: Operation, type: string, body: unknown): string[] {
    if (!operation.requestBody?.content[type]) return [`no body of type ${type} is described`];
    return this.#faults(`${operation.pointer}/requestBody/content/${token(type)}/schema`, body);
  }

  /** The parts of this query that the document does not describe. */
  queryViolations(operation: Operation, query: Readonly<Record<string, string>>): string[] {
    const parameters = operation.parameters ?? [];
    return Object.entries(query).flatMap(([name, text]) => {
      const index = parameters.findIndex((each) => each.in === "query" && each.name === name);
      const isNumber = parameters[index]?.schema.type === "integer" && text !== "";
      if (index === -1) return [`no parameter ${name} is described`];
      return this.#faults(`${operation.pointer}/parameters/${index}/schema`, isNumber ? Number(text) : text);
    });
  }

  /** Every example in the document that its own schema does not allow, or that is of nothing. */
  exampleViolations(): string[] {
    return this.operations.flatMap((operation) => {
      const bodies = operation.requestBody
        ? [{ at: `${operation.pointer}/requestBody`, ...operation.requestBody }]
        : [];
      const answers = Object.keys(operation.responses).flatMap((status) => {
        const { pointer, response } = this.#response(operation, Number(status)) as Found;
        return response.content ? [{ at: pointer, content: response.content }] : [];
      });
      return [...bodies, ...answers].flatMap(({ at, content }) =>
        Object.entries(content).flatMap(([type, { examples }]) => {
          const each = Object.entries(examples ?? {});
          if (each.length === 0) return [`${at} has no example of ${type}`];
          return each.flatMap(([name, example]) => {
            const { value } = example.$ref ? (this.#at(example.$ref.slice(1)) as { value: unknown }) : example;
            return this.#faults(`${at}/content/${token(type)}/schema`, value).map((fault) => `${at} ${name}: ${fault}`);
          });
        }),
      );
    });
  }

  /** Every kind of answer that the document says there is: the operation, the status and, for a problem, its error. */
  promises(): { operation: Operation; status: number; error: string | null }[] {
    return this.operations.flatMap((operation) =>
      Object.keys(operation.responses).flatMap((text) => {
        const status = Number(text);
        const { content } = (this.#response(operation, status) as Found).response;
        const problem = content?.["application/problem+json"];
        const references = Object.values(problem?.examples ?? {}).map((example) => example.$ref as string);
        const errors = references.map(
          (reference) => (this.#at(reference.slice(1)) as { value: { error: string } }).value.error,
        );
        const plain = Object.keys(content ?? { none: {} }).some((type) => type !== "application/problem+json");
        return [...(plain ? [null] : []), ...errors].map((error) => ({ operation, status, error }));
      }),
    );
  }

  #response(operation: Operation, status: number): Found | null {
    const response = operation.responses[status];
    if (!response) return null;
    const pointer = response.$ref?.slice(1) ?? `${operation.pointer}/responses/${status}`;
    return { pointer, response: this.#at(pointer) as ResponseObject };
  }

  #headerFaults(response: ResponseObject, headers: Headers): string[] {
    return Object.entries(response.headers ?? {}).flatMap(([name, header]) => {
      const pointer = header.$ref?.slice(1) as string;
      const { required, schema } = this.#at(pointer) as { required?: boolean; schema: { type: string } };
      const text = headers.get(name);
      if (text === null) return required ? [`${name} is missing`] : [];
      const value = schema.type === "integer" ? Number(text) : text;
      return this.#faults(`${pointer}/schema`, value).map((fault) => `${name} ${fault}`);
    });
  }

  #faults(schemaPointer: string, value: unknown): string[] {
    const known = this.#validators.get(schemaPointer);
    const validate = known ?? this.#compiled(schemaPointer);
    this.#validators.set(schemaPointer, validate);
    return validate(value)
      ? []
      : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  }

  #compiled(schemaPointer: string): ValidateFunction {
    const { schemas } = this.#document.components;
    // What is sent must be described, though readers are told to expect more.
    return this.#ajv.compile(closed({ ...(this.#at(schemaPointer) as object), components: { schemas } }) as AnySchema);
  }

  #at(pointer: string): unknown {
    return pointer
      .split("/")
      .slice(1)
      .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
      .reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], this.#document);
  }
}

type Found = { pointer: string; response: ResponseObject };

/** A part of a JSON Pointer. @see RFC 6901, JavaScript Object Notation (JSON) Pointer, section 3 */
function token(text: string): string {
  return text.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The same schemas, in which objects have no members but those that they describe. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, closed(member)]));
  return members.type === "object" && members.properties && !("additionalProperties" in members)
    ? { ...members, additionalProperties: false }
    : members;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
