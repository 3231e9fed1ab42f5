import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import F


def fill_in(apps, schema_editor):
    """Take from older rows what they imply: a hard flag is the method of every row that had one.

    The model's doubt asks for a person by itself, so of those rows the rules' wish is not known.
    """
    rows = apps.get_model("monitoring", "MLPredictionLog")._base_manager
    rows.filter(method="red_flag").update(hard_flag=True)
    rows.exclude(fallback_reason="low_confidence").update(rules_needs_human=F("needs_human"))


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='mlpredictionlog',
            name='hard_flag',
            field=models.BooleanField(default=False),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='mlpredictionlog',
            name='rules_needs_human',
            field=models.BooleanField(default=False),
            preserve_default=False,
        ),
        migrations.RunPython(fill_in, migrations.RunPython.noop),
        migrations.CreateModel(
            name='TriageIntake',
            fields=[
                ('prediction_log', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='intake', serialize=False, to='monitoring.mlpredictionlog')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('key_id', models.CharField(max_length=8)),
                ('token', models.BinaryField()),
            ],
            options={
                'verbose_name': 'intake',
                'abstract': False,
                'base_manager_name': 'objects',
                'indexes': [models.Index(fields=['created_at'], name='intake_by_time')],
            },
        ),
    ]
