{{- define "penstock.monitorLabels" -}}
{{ include "penstock.labels" . }}
{{- with .root.Values.monitoring.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
