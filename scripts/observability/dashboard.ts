/**
 * `npm run dashboard`: writes observability/dashboard.json, a Grafana dashboard of the panels in panels.ts. The schema of a dashboard
 * is Grafana's own library's business. tests/build/dashboard.test.ts fails where the file is not what this makes.
 */
import { writeFile } from "node:fs/promises";
import {
  LegendDisplayMode,
  LegendPlacement,
  StackingConfigBuilder,
  StackingMode,
  VizLegendOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TableBuilder } from "@grafana/grafana-foundation-sdk/table";
import { PanelBuilder as LinesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import { type PanelEntry, panel_rows } from "./panels.ts";

export const dashboard_path = "observability/dashboard.json";

const datasource = { type: "prometheus", uid: "$datasource" };
/** Of the 24 columns that Grafana has. */
const panel_columns = 12;
const number_columns = 6;
const panel_height = 8;

/** The dashboard's text. */
export function dashboardText(): string {
  const dashboard = new DashboardBuilder("Sallyport")
    .uid("sallyport")
    .description("Which policy is in force, what it decides and why, and how the filter and its keys are.")
    .tags(["sallyport", "envoy"])
    .timezone("browser")
    .time({ from: "now-3h", to: "now" })
    .refresh("1m")
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder("datasource").label("Prometheus").type("prometheus"))
    .withVariable(choice("job", "Fleet", "label_values(sallyport_policy_info, job)"))
    .withVariable(choice("instance", "Envoy", 'label_values(sallyport_policy_info{job=~"$job"}, instance)'))
    .withVariable(
      choice(
        "policy",
        "Policy",
        'label_values(sallyport_policy_info{job=~"$job", instance=~"$instance"}, sallyport_policy)',
      ),
    );
  for (const { title, panels } of panel_rows) {
    dashboard.withRow(new RowBuilder(title));
    for (const panel of panels) dashboard.withPanel(built(panel));
  }
  return `${JSON.stringify(dashboard.build(), null, 2)}\n`;
}

/** A variable with the values that a label has; all of them unless one is chosen. */
function choice(name: string, label: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .query(query)
    .datasource(datasource)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .allValue(".*");
}

function built(entry: PanelEntry): LinesBuilder | StatBuilder | TableBuilder {
  const panel = builders[entry.kind]();
  panel.title(entry.title).description(entry.description).unit(entry.unit).datasource(datasource);
  entry.queries.forEach(({ expr, legend }, index) => {
    const query = new DataqueryBuilder()
      .expr(expr)
      .datasource(datasource)
      .refId(String.fromCharCode(65 + index));
    if (legend !== "") query.legendFormat(legend);
    if (entry.kind === "lines") query.range();
    else query.instant();
    if (entry.kind === "table") query.format(PromQueryFormat.Table);
    panel.withTarget(query);
  });
  return panel;
}

const builders: Readonly<Record<PanelEntry["kind"], () => LinesBuilder | StatBuilder | TableBuilder>> = {
  lines: () =>
    new LinesBuilder()
      .span(panel_columns)
      .height(panel_height)
      .min(0)
      .fillOpacity(10)
      .stacking(new StackingConfigBuilder().mode(StackingMode.None))
      .legend(
        new VizLegendOptionsBuilder()
          .displayMode(LegendDisplayMode.List)
          .placement(LegendPlacement.Bottom)
          .showLegend(true),
      ),
  number: () => new StatBuilder().span(number_columns).height(panel_height),
  table: () =>
    new TableBuilder()
      .span(24)
      .height(panel_height)
      .withTransformation({
        id: "organize",
        // What Prometheus itself adds says nothing here.
        options: { excludeByName: { Time: true, Value: true, __name__: true } },
      }),
};

// Tests import this file; only `npm run dashboard` runs it.
if (process.argv[1] === import.meta.filename) {
  await writeFile(dashboard_path, dashboardText());
  console.log(`${dashboard_path}: ${panel_rows.flatMap(({ panels }) => panels).length} panels`);
}
