{{- /* What the pods of all services of ours have in common: rights, volumes, where they run. (dict "root" $ "component" … "pool" … "of" values) */ -}}
{{- define "penstock.podMetadata" -}}
labels:
  {{- include "penstock.labels" . | nindent 2 }}
  {{- with .of.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  checksum/secrets: {{ include "penstock.secretsChecksum" .root }}
  {{- with .of.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "penstock.podBasics" -}}
serviceAccountName: {{ include "penstock.componentName" . }}
# Only the scaler talks to Kubernetes.
automountServiceAccountToken: {{ eq .component "scaler" }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "penstock.selectorLabels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- include "penstock.placement" .of }}
{{- end -}}

{{- define "penstock.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "penstock.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "penstock.volumeMounts" -}}
- { name: secrets, mountPath: /run/penstock, readOnly: true }
- { name: files, mountPath: /var/lib/penstock/files }
- { name: tmp, mountPath: /tmp }
{{- if .Values.tls.caSecret.name }}
- { name: ca, mountPath: /run/penstock-ca, readOnly: true }
{{- end }}
{{- end -}}

{{- define "penstock.volumes" -}}
- name: files
  {{- if .Values.files.s3.bucket }}
  # Where uploads wait until they are complete.
  emptyDir: { sizeLimit: 10Gi }
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ default (include "penstock.componentName" (dict "root" . "component" "files")) .Values.files.volume.existingClaim }}
  {{- end }}
- name: tmp
  emptyDir: { sizeLimit: 1Gi }
{{- with .Values.tls.caSecret }}
{{- if .name }}
- name: ca
  secret: { secretName: {{ .name }}, items: [{ key: {{ .key | quote }}, path: ca.crt }] }
{{- end }}
{{- end }}
{{- end -}}

{{- define "penstock.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: {{ .port }} }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /livez, port: {{ .port }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: {{ .port }} }
  periodSeconds: 5
  timeoutSeconds: 3
{{- end -}}
