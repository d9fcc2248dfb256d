import { Argument, type Command } from "commander";

/** A command or an option, and what it is for. */
type Word = Readonly<{ word: string; description: string }>;

/** The words that may come next on the command line. */
type Place = Readonly<{
  /** The commands so far, each with a space before it: " admin domains". */
  path: string;
  words: readonly Word[];
}>;

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

type Shell = keyof typeof SCRIPTS;

/** Adds the command that prints what a shell completes the others by. */
export function addCompletionCommand(program: Command, output: NodeJS.WritableStream): void {
  program
    .command("completion")
    .description("print a script by which a shell completes these commands")
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(SCRIPTS)))
    .action((shell: Shell) => {
      output.write(SCRIPTS[shell](placesOf(program), valueOptionsOf(program)));
    });
}

/** Where a command line may be: at a command or at one of its own commands. */
function placesOf(command: Command, path = "", inherited: readonly Word[] = []): readonly Place[] {
  const options = command.options.map(({ long, description }) => ({ word: long ?? "", description }));
  const all = [...options, ...inherited];
  const commands = command.commands.map((each) => ({ word: each.name(), description: each.description() }));
  const choices = command.registeredArguments.flatMap(({ argChoices = [], description }) =>
    argChoices.map((word) => ({ word, description })),
  );
  const words = [...commands, ...choices, ...all, { word: "--help", description: "show help" }];
  return [{ path, words }, ...command.commands.flatMap((each) => placesOf(each, `${path} ${each.name()}`, all))];
}

/** The options after which a value comes. */
function valueOptionsOf(command: Command): readonly string[] {
  const own = command.options.flatMap(({ long, required, optional }) => (long && (required || optional) ? [long] : []));
  return [...new Set([...own, ...command.commands.flatMap(valueOptionsOf)])];
}

/** Each script goes along the words so far: it knows commands by their places, and steps over values of options. */
function bashScript(places: readonly Place[], valueOptions: readonly string[]): string {
  return `# Put this into ~/.bashrc: source <(device-domain completion bash)
_device_domain() {
  local place="" words="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      ${valueOptions.join(" | ")}) ((++i < COMP_CWORD)) || return 0 ;;
      *) case "$place \${COMP_WORDS[i]}" in
        ${patternOf(places)}) place="$place \${COMP_WORDS[i]}" ;;
      esac ;;
    esac
  done
  case "$place" in
${places.map(({ path, words }) => `    "${path}") words="${words.map(({ word }) => word).join(" ")}" ;;\n`).join("")}  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _device_domain device-domain
`;
}

function zshScript(places: readonly Place[], valueOptions: readonly string[]): string {
  const described = ({ word, description }: Word) => quoted(`${word}:${description}`);
  return `#compdef device-domain
# Put this into ~/.zshrc, after compinit: source <(device-domain completion zsh)
_device_domain() {
  local place="" i
  local -a choices
  for ((i = 2; i < CURRENT; i++)); do
    case "\${words[i]}" in
      ${valueOptions.join(" | ")}) ((++i < CURRENT)) || { _files; return; } ;;
      *) case "$place \${words[i]}" in
        ${patternOf(places)}) place="$place \${words[i]}" ;;
      esac ;;
    esac
  done
  case "$place" in
${places.map(({ path, words }) => `    "${path}") choices=(${words.map(described).join(" ")}) ;;\n`).join("")}  esac
  _describe word choices || _files
}
compdef _device_domain device-domain
`;
}

function fishScript(places: readonly Place[], valueOptions: readonly string[]): string {
  const completion = (path: string, { word, description }: Word) =>
    `complete -c device-domain -n 'test (__device_domain_place) = "${path}"' -a ${word} -d ${quoted(description)}\n`;
  return `# Put this into ~/.config/fish/config.fish: device-domain completion fish | source
function __device_domain_place
  set -l place ""
  set -l is_value 0
  for word in (commandline -opc)[2..]
    if test $is_value = 1
      set is_value 0
    else if contains -- $word ${valueOptions.join(" ")}
      set is_value 1
    else if contains -- "$place $word" ${places.map(({ path }) => `"${path}"`).join(" ")}
      set place "$place $word"
    end
  end
  test $is_value = 1; and echo value; or echo "$place"
end
${places.map(({ path, words }) => words.map((word) => completion(path, word)).join("")).join("")}`;
}

function patternOf(places: readonly Place[]): string {
  return places.map(({ path }) => `"${path}"`).join(" | ");
}

/** A text between single quotes, which every one of these shells takes as it is. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "’")}'`;
}
