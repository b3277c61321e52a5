{{- /* Selects all pods of our services, and not those of the servers. */ -}}
{{- define "penstock.ours" -}}
{{- $labels := dict "app.kubernetes.io/name" (include "penstock.name" .) "app.kubernetes.io/instance" .Release.Name -}}
{{- $components := dict "key" "app.kubernetes.io/component" "operator" "In" "values" (list "ingress" "worker" "tasks" "console") -}}
{{- dict "matchLabels" $labels "matchExpressions" (list $components) | toJson -}}
{{- end -}}

{{- define "penstock.toServer" -}}
{{- if .bundled -}}
- to: [{ podSelector: { matchLabels: {{ include "penstock.selectorLabels" . | fromYaml | toJson }} } }]
  ports: [{ port: {{ .port }}, protocol: TCP }]
{{- else -}}
{{- include "penstock.toPort" . -}}
{{- end -}}
{{- end -}}

{{- /* What is outside of the release: at the addresses that the user names, or anywhere. */ -}}
{{- define "penstock.toPort" -}}
- ports: [{ port: {{ .port }}, protocol: TCP }]
  {{- with .root.Values.networkPolicy.servers }}
  to: {{ toJson . }}
  {{- end }}
{{- end -}}

{{- define "penstock.portOf" -}}
{{- $parts := splitList ":" (urlParse .).host -}}
{{- if gt (len $parts) 1 -}}{{ last $parts }}{{- else -}}{{ ternary 443 80 (eq (urlParse .).scheme "https") }}{{- end -}}
{{- end -}}
