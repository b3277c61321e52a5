{{- /* What stands beside each Deployment: its account, which may do nothing, and its disruption budget. */ -}}
{{- define "penstock.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "penstock.componentName" . }}
  labels:
    {{- include "penstock.labels" . | nindent 4 }}
  {{- with .of.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{- define "penstock.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "penstock.componentName" . }}
  labels:
    {{- include "penstock.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .of.pdb.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "penstock.selectorLabels" . | nindent 6 }}
{{- end -}}

{{- define "penstock.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "penstock.componentName" . }}
  labels:
    {{- include "penstock.labels" . | nindent 4 }}
  {{- with .of.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .of.service.type }}
  ports:
    - { name: http, port: {{ .of.service.port }}, targetPort: http, appProtocol: {{ ternary "https" "http" (ne (dig "certificate" "existingSecret" "" .of) "") }} }
  selector:
    {{- include "penstock.selectorLabels" . | nindent 4 }}
{{- end -}}
