{{- define "penstock.expose.gateway" -}}
{{- $gateway := .root.Values.expose.gateway -}}
{{- $name := include "penstock.componentName" .at -}}
{{- if not $gateway.parentRefs -}}
{{- fail "expose.gateway.parentRefs is empty: name the Gateway that the route belongs to" -}}
{{- end -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ $name }}
  labels:
    {{- include "penstock.labels" .at | nindent 4 }}
  {{- with $gateway.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs: {{ toJson $gateway.parentRefs }}
  hostnames: {{ toJson .hostnames }}
  rules:
    - matches:
        {{- range .paths }}
        - path: { type: PathPrefix, value: {{ . }} }
        {{- end }}
      # None here: a stream may flow for hours, and Penstock has time limits of its own for each phase.
      timeouts: { request: 0s, backendRequest: 0s }
      backendRefs:
        - { name: {{ $name }}, port: {{ .port }} }
{{- end -}}

{{- define "penstock.expose.ingress" -}}
{{- $ingress := .root.Values.expose.ingress -}}
{{- $name := include "penstock.componentName" .at -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $name }}
  labels:
    {{- include "penstock.labels" .at | nindent 4 }}
  {{- with $ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with .tls }}
  tls: {{ toJson . }}
  {{- end }}
  rules:
    {{- range $host := .hostnames }}
    - host: {{ $host | quote }}
      http:
        paths:
          {{- range $.paths }}
          - path: {{ . }}
            pathType: Prefix
            backend: { service: { name: {{ $name }}, port: { number: {{ $.port }} } } }
          {{- end }}
    {{- end }}
{{- end -}}
