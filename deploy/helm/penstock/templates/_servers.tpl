{{- define "penstock.natsConf" -}}
server_name: {{ include "penstock.componentName" (dict "root" . "component" "nats") }}
port: 4222
http_port: 8222
pid_file: "/tmp/nats.pid"
# A request travels with its body, up to 1 MB of it (PENSTOCK_INLINE_BODY_BYTES).
max_payload: 8MB
# A client that is gone is noticed within 20 s: its pulls must not be served.
ping_interval: "10s"
ping_max: 2
lame_duck_grace_period: "2s"
lame_duck_duration: "30s"
# Paths are relative to the directory of this file.
jetstream {
  store_dir: "/data"
  max_file_store: {{ .Values.nats.bundled.maxFileStore | quote }}
  {{- if .Values.nats.bundled.cipher.existingSecret }}
  include "../../run/nats-cipher/cipher.conf"
  {{- end }}
}
include "../../run/nats-auth/auth.conf"
{{- end -}}

{{- define "penstock.serverBasics" -}}
serviceAccountName: {{ .name }}
automountServiceAccountToken: false
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
{{- include "penstock.placement" .of }}
{{- end -}}

{{- define "penstock.claim" -}}
- metadata: { name: data }
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storage.storageClassName }}
    storageClassName: {{ . }}
    {{- end }}
    resources: { requests: { storage: {{ .storage.size }} } }
{{- end -}}
