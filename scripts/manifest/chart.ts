/** A manifest as a Helm chart: what differs between places becomes a value, and the files become templates. */
import { type Manifest, ManifestError, type ManifestFile, type System, yamlFile } from "./files.ts";

/** What stands in a manifest that is to be a chart, and what a template has in its place. */
const variables = {
  namespace: "{{ .Release.Namespace | quote }}",
  selector: "{{ toJson .Values.selector }}",
  gateway: "{{ .Values.gateway | quote }}",
  module: "{{ .Values.module }}",
  sha256: "{{ .Values.sha256 | quote }}",
} as const;
type Variable = keyof typeof variables;

/** Stands for a value until the manifest is a chart. Nothing that a policy says may have it in it (`refusePlaceholders`). */
export const placeholder = (name: Variable): string => `__${name.toUpperCase()}__`;

/** Throws ManifestError where a manifest without placeholders has one all the same: in a policy's name, or that of a cluster. */
export function refusePlaceholders({ applied, others }: Manifest): void {
  for (const name of Object.keys(variables) as Variable[]) {
    const text = placeholder(name);
    if (![...applied, ...others].some((file) => file.text.includes(text))) continue;
    throw new ManifestError(
      `the policy has \`${text}\` in a name, which a chart has another use for: take another name`,
    );
  }
}

/** What a chart is called by. */
export interface ChartName {
  name: string;
  /** Of this program. */
  version: string;
  /** The policy's checksum. */
  appVersion: string;
}

/** The chart of a manifest that was made with placeholders, and the values of the place that it is for. */
export function asChart(
  system: System,
  { applied, others }: Manifest,
  { name, version, appVersion }: ChartName,
  values: Readonly<Record<string, unknown>>,
): Manifest {
  const chart = { apiVersion: "v2", type: "application", name, version, appVersion };
  const description = "A Sallyport policy in front of a workload";
  return {
    applied: applied.map((file) => ({ ...file, name: `templates/${file.name}`, text: asTemplate(file.text) })),
    others: [
      yamlFile(system, "Chart.yaml", "the chart", "`appVersion` is the policy's image checksum.", {
        content: { ...chart, description },
      }),
      yamlFile(system, "values.yaml", "the chart's values", "The namespace is that of the release.", {
        content: values,
      }),
      ...others.filter(isNoKustomization),
    ],
  };
}

const isNoKustomization = ({ name }: ManifestFile): boolean => name !== "kustomization.yaml";

function asTemplate(text: string): string {
  let template = text.replaceAll("{{", '{{ "{{" }}');
  for (const [name, action] of Object.entries(variables)) {
    template = template.replaceAll(placeholder(name as Variable), () => action);
  }
  return template;
}
